//! Whole numbers as text.

/// A number as text. By hand: a request writes dozens, and to format one takes longer than all the rest that is done with it.
#[derive(Debug)]
pub struct Digits {
    text: [u8; Self::MOST],
    from: usize,
}

impl Digits {
    /// Characters of the longest number, `i64::MIN`.
    pub const MOST: usize = 20;

    /// The digits of a number, behind a sign where it is less than nothing.
    pub fn of(number: i64) -> Self {
        let mut digits = Self {
            text: [0; Self::MOST],
            from: Self::MOST,
        };
        let mut left = number.unsigned_abs();
        loop {
            digits.put(b'0' + (left % 10) as u8);
            left /= 10;
            if left == 0 {
                break;
            }
        }
        if number < 0 {
            digits.put(b'-');
        }
        digits
    }

    fn put(&mut self, character: u8) {
        self.from -= 1;
        self.text[self.from] = character;
    }

    /// The text, ASCII.
    pub fn as_bytes(&self) -> &[u8] {
        &self.text[self.from..]
    }

    /// The same.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_written_as_rust_writes_them(number: i64) {
            for number in [number, 0, i64::MIN, i64::MAX] {
                let (digits, text) = (Digits::of(number), number.to_string());
                prop_assert_eq!(digits.as_str(), &text);
            }
        }
    }
}
