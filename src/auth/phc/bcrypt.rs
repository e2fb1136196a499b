//! Passwords that were stored elsewhere as bcrypt (`$2a$`, `$2b$`, `$2y$`), as htpasswd and Prometheus's web.yml do.
//!
//! bcrypt looks at 72 bytes of a password, and many programs end it at a null byte. A password that is longer, or has
//! one, matches nothing here: else a part of it would do.

use super::PhcError;
use crate::secret::Secret;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// Rounds as powers of two. More take so long that a login does not wait for them.
const COST: RangeInclusive<u32> = 4..=12;
/// Below this a stolen hash is cheap to attack; `htpasswd -B` makes 5 unless told otherwise.
pub(super) const STRONG_COST: u32 = 10;
const MAX_PASSWORD: usize = 72;

/// bcrypt's own base64. Programs differ in what they leave in the bits behind the salt.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A stored hash. The three identifiers stand for one algorithm, as far as what is compared here goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Bcrypt {
    pub(super) cost: u32,
    pub(super) salt: [u8; 16],
    pub(super) output: [u8; 23],
}

/// Whether a line claims to be one.
pub(super) fn is_one(text: &str) -> bool {
    ["$2a$", "$2b$", "$2y$"].iter().any(|begin| text.starts_with(begin))
}

impl Bcrypt {
    /// Reads `$2b$10$` and 53 characters of salt and output.
    pub(super) fn parse(text: &str) -> Result<Self, PhcError> {
        const SHAPE: PhcError = PhcError::Bcrypt { what: "expected $2b$, two digits, $ and 53 characters on one line" };
        let (cost, rest) = text.get(4..).and_then(|rest| rest.split_once('$')).ok_or(SHAPE)?;
        let digits = cost.len() == 2 && cost.bytes().all(|b| b.is_ascii_digit());
        let cost = cost.parse().ok().filter(|_| digits).ok_or(SHAPE)?;
        let (salt, output) = rest.split_at_checked(22).ok_or(SHAPE)?;
        let mut hash = Self { cost, salt: [0; 16], output: [0; 23] };
        let read = |text: &str, into: &mut [u8]| {
            let bytes = BASE64.decode(text).ok().filter(|bytes| bytes.len() == into.len()).ok_or(SHAPE)?;
            into.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
            Ok::<(), PhcError>(())
        };
        read(salt, &mut hash.salt)?;
        read(output, &mut hash.output)?;
        if COST.contains(&cost) { Ok(hash) } else { Err(PhcError::BcryptCost { found: cost }) }
    }

    /// The line, as one of the three spellings.
    pub(super) fn line(&self) -> String {
        format!("$2b${:02}${}{}", self.cost, BASE64.encode(self.salt), BASE64.encode(self.output))
    }

    /// Whether `password` is the stored one: computed in full whatever it is, compared in constant time.
    pub(super) fn matches(&self, password: &Secret) -> bool {
        let password = password.expose();
        let whole = password.len() <= MAX_PASSWORD && !password.contains(&0);
        let mut terminated = Zeroizing::new(password.get(..MAX_PASSWORD).unwrap_or(password).to_vec());
        if terminated.len() < MAX_PASSWORD {
            terminated.push(0);
        }
        let computed = bcrypt::bcrypt(self.cost, self.salt, &terminated);
        let differing = computed.iter().zip(&self.output).fold(0, |bits, (a, b)| bits | (a ^ b));
        (differing == 0) & whole
    }
}
