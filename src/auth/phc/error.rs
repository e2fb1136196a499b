//! What can be wrong with a stored password, in words for the operator.

use thiserror::Error;

/// Why a text is not accepted as a stored password. No variant repeats the text, which may be a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PhcError {
    /// There is no text at all.
    #[error("the password hash is empty; run `pushguard hash` and put the line that it prints here")]
    Missing,
    /// The text looks like a password, not like a hash.
    #[error(
        "this looks like a plaintext password, not a hash: a hash starts with `$argon2id$`; run `pushguard hash` and \
         put the line that it prints here, and change the password if others have seen it"
    )]
    Plaintext,
    /// A hash, but neither argon2id nor bcrypt.
    #[error(
        "the hash algorithm is {found}, only argon2id and bcrypt (2a, 2b, 2y) are accepted; make a new hash with \
         `pushguard hash`"
    )]
    Algorithm {
        /// The algorithm's identifier where it is a well-known one.
        found: &'static str,
    },
    /// An argon2 version other than 19; a hash that names none is of version 16.
    #[error("the argon2 version is {found}, only 19 is accepted; make a new hash with `pushguard hash`")]
    Version {
        /// The version of the hash.
        found: u64,
    },
    /// A field is missing or does not parse.
    #[error(
        "the hash is damaged: {field}; expected `$argon2id$v=19$m=…,t=…,p=…$salt$output` on one line without spaces, \
         copy it again or run `pushguard hash`"
    )]
    Malformed {
        /// What is wrong.
        field: &'static str,
    },
    /// A bcrypt line that does not parse.
    #[error("the bcrypt hash is damaged: {what}; copy it again or run `pushguard hash`")]
    Bcrypt {
        /// What is wrong.
        what: &'static str,
    },
    /// A bcrypt cost out of range.
    #[error("the bcrypt cost is {found}, allowed is 4 to 12; run `pushguard hash` for a new hash")]
    BcryptCost {
        /// The cost.
        found: u32,
    },
    /// `m` out of range, in KiB.
    #[error("the hash needs m={found} KiB of memory, allowed is 7168 to 65536; run `pushguard hash` for a new one")]
    Memory {
        /// The value of `m`.
        found: u64,
    },
    /// `t` out of range.
    #[error("the hash makes t={found} passes, allowed is 1 to 10; run `pushguard hash` for a new one")]
    Passes {
        /// The value of `t`.
        found: u64,
    },
    /// `p` out of range.
    #[error("the hash has p={found} lanes, allowed is 1 to 4; run `pushguard hash` for a new one")]
    Lanes {
        /// The value of `p`.
        found: u64,
    },
    /// Each parameter is in range, but together they are too cheap to attack.
    #[error(
        "m={memory_kib},t={passes} is too weak; with t={passes} at least m={needed} KiB is needed, run `pushguard \
         hash` for a new one"
    )]
    Weak {
        /// The value of `m`, in KiB.
        memory_kib: u32,
        /// The value of `t`.
        passes: u32,
        /// The least `m` for this `t`, in KiB.
        needed: u32,
    },
    /// Salt length out of range, in bytes.
    #[error("the salt has {found} bytes, allowed is 8 to 48; run `pushguard hash` for a new one")]
    SaltLength {
        /// Bytes of salt.
        found: usize,
    },
    /// Output length out of range, in bytes.
    #[error("the hash output has {found} bytes, allowed is 16 to 64; run `pushguard hash` for a new one")]
    OutputLength {
        /// Bytes of output.
        found: usize,
    },
    /// An empty password is no credential.
    #[error("the password is empty; choose one of at least 12 characters")]
    EmptyPassword,
    /// The hash could not be computed.
    #[error("the hash could not be computed: {0}")]
    Compute(argon2::Error),
}
