//! A receipt: which message, the how-manieth delivery, and until when it is invisible.

use cacheismo_sdk::number::Integer;

/// Between the three numbers.
const BETWEEN: u8 = b'-';

/// A message as it stands in the order. No two deliveries of a message are alike: a later one counts one more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: u64,
    pub(crate) deliveries: u32,
    /// When the message may be delivered, again or for the first time.
    pub(crate) visible_ms: i64,
}

impl Receipt {
    /// A message that was not delivered yet.
    pub(crate) fn new(id: u64, visible_ms: i64) -> Self {
        Self {
            id,
            deliveries: 0,
            visible_ms,
        }
    }

    /// The next delivery.
    pub(crate) fn delivered(self, visible_ms: i64) -> Self {
        Self {
            deliveries: self.deliveries.saturating_add(1),
            visible_ms,
            ..self
        }
    }

    /// `17-1-1704067230000`.
    pub(crate) fn text(self) -> Vec<u8> {
        let numbers = [
            Integer::from(self.id),
            Integer::from(self.deliveries),
            Integer::from(self.visible_ms),
        ];
        numbers.each_ref().map(Integer::text).join(&BETWEEN)
    }

    /// Reads what `text` wrote, and nothing else.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut numbers = text.splitn(3, char::from(BETWEEN));
        let receipt = Self {
            id: numbers.next()?.parse().ok()?,
            deliveries: numbers.next()?.parse().ok()?,
            visible_ms: numbers.next()?.parse().ok()?,
        };
        Some(receipt).filter(|receipt| receipt.text() == text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_receipt_reads_back(id: u64, deliveries: u32, visible_ms: i64) {
            let receipt = Receipt { id, deliveries, visible_ms };
            prop_assert_eq!(Receipt::parse(&receipt.text()), Some(receipt));
        }

        #[test]
        fn other_bytes_are_none(bytes in "[-+0-9a]{0,30}") {
            if let Some(receipt) = Receipt::parse(bytes.as_bytes()) {
                prop_assert_eq!(receipt.text(), bytes.as_bytes());
            }
        }
    }
}
