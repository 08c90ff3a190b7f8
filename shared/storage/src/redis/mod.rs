//! Redis as a place that keeps things. What is kept there and in which layout is
//! the business of the services.

#[cfg(any(test, feature = "testing"))]
pub mod testing;
