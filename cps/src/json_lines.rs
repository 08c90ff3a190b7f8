//! Several JSON documents in one answer, each on a line of its own.

use serde::Serialize;

/// The media type of such an answer.
pub(crate) const MEDIA_TYPE: &str = "application/jsonl";

/// The documents in their order.
///
/// # Errors
/// When one of them cannot be JSON.
pub(crate) fn encode<T: Serialize>(documents: &[T]) -> Result<Vec<u8>, serde_json::Error> {
    let mut text = Vec::new();
    for document in documents {
        push(&mut text, document)?;
    }
    Ok(text)
}

/// One more document at the end.
///
/// # Errors
/// When it cannot be JSON.
pub(crate) fn push(text: &mut Vec<u8>, document: &impl Serialize) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *text, document)?;
    text.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_has_its_line_and_no_documents_are_no_bytes() {
        assert_eq!(encode(&["a", "b\n"]).unwrap(), b"\"a\"\n\"b\\n\"\n");
        assert_eq!(encode::<u8>(&[]).unwrap(), b"");
    }
}
