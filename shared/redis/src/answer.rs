//! What Redis answered, as a value or as an error of this crate. Not here: when to
//! connect again, and what a breaker concludes (`connection`).

use std::time::Duration;

use redis::{ErrorKind, FromRedisValue, Value};

use super::error::RedisError;

pub(super) fn explain(error: &redis::RedisError, time: Duration) -> RedisError {
    if error.is_timeout() {
        return RedisError::TimedOut(time);
    }
    match error.kind() {
        ErrorKind::Server(_) | ErrorKind::Extension | ErrorKind::AuthenticationFailed => {
            refused(error)
        }
        ErrorKind::UnexpectedReturnType | ErrorKind::Parse => RedisError::Form(error.to_string()),
        _ => RedisError::Connection(error.to_string()),
    }
}

pub(super) fn refused(error: &redis::RedisError) -> RedisError {
    let code = error.code().unwrap_or_default();
    let detail = error.detail().unwrap_or_default();
    RedisError::Refused(format!("{code} {detail}").trim().to_owned())
}

/// Not an answer of nothing: that is what a key that is not there has.
pub(super) fn unanswered() -> RedisError {
    RedisError::Form("fewer answers than commands".to_owned())
}

pub(super) fn into_answer<T: FromRedisValue>(value: Value) -> Result<T, RedisError> {
    let value = value.extract_error().map_err(|error| refused(&error))?;
    redis::from_redis_value(value).map_err(|error| RedisError::Form(error.to_string()))
}
