//! Randomness.

/// The only source of randomness.
pub trait Entropy: Send + Sync {
    /// 128 unpredictable bits.
    fn bytes(&self) -> [u8; 16];

    /// 128 unpredictable bits as 32 hexadecimal digits: what has no name from outside is called
    /// by such.
    fn hex(&self) -> String {
        hex::encode(self.bytes())
    }
}
