//! The wire format of protobuf, as far as it is needed, without recursion or allocation.

/// The last field number; the gateway refuses a message with a higher one.
const MAX_NUMBER: u32 = (1 << 29) - 1;

/// A field of a message.
pub(super) struct Field<'b> {
    pub(super) number: u32,
    pub(super) value: Value<'b>,
}

/// Its value.
pub(super) enum Value<'b> {
    Number(u64),
    Bytes(&'b [u8]),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32,
}

/// The fields of a message in order.
pub(super) struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    pub(super) fn new(message: &'b [u8]) -> Self {
        Self(message)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = Result<Field<'b>, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match field(self.0) {
            Some((field, rest)) => {
                self.0 = rest;
                Some(Ok(field))
            }
            None => {
                self.0 = &[];
                Some(Err("it is not protobuf, or cut".to_owned()))
            }
        }
    }
}

fn field(bytes: &[u8]) -> Option<(Field<'_>, &[u8])> {
    let (tag, rest) = varint(bytes)?;
    let number = u32::try_from(tag >> 3).ok().filter(|number| (1..=MAX_NUMBER).contains(number))?;
    let (value, rest) = match tag & 7 {
        0 => {
            let (number, rest) = varint(rest)?;
            (Value::Number(number), rest)
        }
        1 => {
            let (bytes, rest) = rest.split_first_chunk()?;
            (Value::Fixed64(u64::from_le_bytes(*bytes)), rest)
        }
        2 => {
            let (bytes, rest) = delimited(rest)?;
            (Value::Bytes(bytes), rest)
        }
        5 => (Value::Fixed32, rest.get(4..)?),
        // Groups are long gone, and these messages never had any.
        _ => return None,
    };
    Some((Field { number, value }, rest))
}

/// A length and as many bytes.
pub(super) fn delimited(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = varint(bytes)?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// A base-128 number of at most ten bytes and 64 bits.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let low = u64::from(byte & 0x7f);
        let shift = u32::try_from(index).ok()? * 7;
        if shift == 63 && low > 1 {
            return None;
        }
        value |= low << shift;
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}
