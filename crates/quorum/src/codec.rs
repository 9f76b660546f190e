//! Little-endian fields of this crate's own files and messages. Reading never trusts a length.

use bytes::{Buf, BufMut, Bytes};

/// The bytes do not hold what they should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Takes fields off the front of `Bytes`; byte strings stay slices of it.
pub(crate) struct Fields(Bytes);

impl Fields {
    pub(crate) fn new(bytes: Bytes) -> Fields {
        Fields(bytes)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.need(1)?;
        Ok(self.0.get_u8())
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.need(4)?;
        Ok(self.0.get_u32_le())
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.need(8)?;
        Ok(self.0.get_u64_le())
    }

    /// A byte string with its length before it.
    pub(crate) fn bytes(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()? as usize;
        self.need(len)?;
        Ok(self.0.split_to(len))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.need(N)?;
        let mut array = [0; N];
        self.0.copy_to_slice(&mut array);
        Ok(array)
    }

    /// A list of numbers with its count before it.
    pub(crate) fn u64s(&mut self) -> Result<Vec<u64>, Malformed> {
        let count = self.u32()? as usize;
        self.need(count.saturating_mul(8))?;
        (0..count).map(|_| self.u64()).collect()
    }

    /// Asserts that nothing is left.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed("bytes are left over")) }
    }

    fn need(&self, len: usize) -> Result<(), Malformed> {
        if self.0.len() < len { Err(Malformed("it ends too early")) } else { Ok(()) }
    }
}

/// Appends a byte string with its length before it.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).expect("byte strings are far below 4 GiB");
    out.put_u32_le(len);
    out.put_slice(bytes);
}

/// Appends a list of numbers with its count before it.
pub(crate) fn put_u64s(out: &mut Vec<u8>, values: &[u64]) {
    out.put_u32_le(u32::try_from(values.len()).expect("lists of peers are short"));
    values.iter().for_each(|value| out.put_u64_le(*value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_end_are_refused_without_allocating() {
        let mut out = Vec::new();
        out.put_u32_le(u32::MAX);
        assert!(Fields::new(Bytes::from(out.clone())).bytes().is_err());
        assert!(Fields::new(Bytes::from(out)).u64s().is_err());
    }

    #[test]
    fn fields_round_trip() {
        let mut out = Vec::new();
        put_bytes(&mut out, b"abc");
        put_u64s(&mut out, &[1, u64::MAX]);
        let mut fields = Fields::new(Bytes::from(out));
        assert_eq!(fields.bytes().unwrap(), "abc");
        assert_eq!(fields.u64s().unwrap(), [1, u64::MAX]);
        fields.end().unwrap();
    }
}
