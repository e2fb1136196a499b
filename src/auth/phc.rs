//! Stored passwords: argon2id in PHC text, `$argon2id$v=19$m=12288,t=3,p=1$<salt>$<output>`, and bcrypt for those who
//! bring it along, `$2y$10$<salt and output>`.

mod bcrypt;
mod error;
mod parse;

use self::bcrypt::Bcrypt;
use crate::secret::Secret;
use argon2::password_hash::phc::{Output, Salt};
use argon2::{Algorithm, Argon2, Block, Version};
use ring::digest;
use std::fmt;
use std::sync::Arc;

pub use error::PhcError;

/// What [`hash`] uses: on the floor, with an arena that leaves room in a container of 128 MiB.
const DEFAULT: Argon2id = Argon2id { memory_kib: 12 * 1024, passes: 3, lanes: 1 };
const DEFAULT_OUTPUT: usize = 32;

/// What a hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Params {
    /// argon2id
    Argon2id(Argon2id),
    /// bcrypt, of 2 to the power of this many rounds, from 4 to 12. It takes 4 KiB.
    Bcrypt(u32),
}

/// What an argon2id hash costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Argon2id {
    /// `m`: memory in KiB, from 7168 to 65536. Default of new hashes: 12288.
    pub memory_kib: u32,
    /// `t`: passes over that memory, from 1 to 10. Default of new hashes: 3.
    pub passes: u32,
    /// `p`: lanes, from 1 to 4, computed one after the other. Default of new hashes: 1.
    pub lanes: u32,
}

/// One stored password, strong enough and cheap enough to be verified.
#[derive(Clone)]
pub struct PasswordHash {
    kind: Kind,
    /// Written once: each login is looked up by it.
    line: Arc<str>,
    /// False for decoys, so that not even a lucky guess of their output is an answer.
    matchable: bool,
}

#[derive(Clone)]
enum Kind {
    Argon2id { params: Argon2id, salt: Salt, output: Output },
    Bcrypt(Bcrypt),
}

impl PasswordHash {
    /// Reads one line without surrounding white space.
    pub fn parse(text: &str) -> Result<Self, PhcError> {
        let kind = if bcrypt::is_one(text) {
            Kind::Bcrypt(Bcrypt::parse(text)?)
        } else {
            let (params, salt, output) = parse::line(text)?;
            Kind::Argon2id { params, salt, output }
        };
        Ok(Self::new(kind, true))
    }

    fn new(kind: Kind, matchable: bool) -> Self {
        let line = match &kind {
            Kind::Argon2id { params: Argon2id { memory_kib, passes, lanes }, salt, output } => {
                format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
            }
            Kind::Bcrypt(hash) => hash.line(),
        };
        Self { kind, line: line.into(), matchable }
    }

    /// The memory of the arena that verifying takes, in KiB: from 7168 to 65536, none for bcrypt.
    pub const fn memory_kib(&self) -> u32 {
        match &self.kind {
            Kind::Argon2id { params, .. } => params.memory_kib,
            Kind::Bcrypt(_) => 0,
        }
    }

    /// What verifying costs.
    pub const fn params(&self) -> Params {
        match &self.kind {
            Kind::Argon2id { params, .. } => Params::Argon2id(*params),
            Kind::Bcrypt(hash) => Params::Bcrypt(hash.cost),
        }
    }

    /// Whether it is cheaper to attack than what is taken of argon2id; bcrypt is taken as it comes.
    pub const fn is_weak(&self) -> bool {
        match &self.kind {
            Kind::Argon2id { .. } => false,
            Kind::Bcrypt(hash) => hash.cost < bcrypt::STRONG_COST,
        }
    }

    /// Whether this hash stands in for a user that does not exist; a decoy never matches.
    pub const fn is_decoy(&self) -> bool {
        !self.matchable
    }

    /// The line. It identifies the hash and is as confidential as the hash file.
    pub(crate) fn line(&self) -> &str {
        &self.line
    }

    /// Whether `password` is the stored one: computed in full, compared in constant time.
    ///
    /// `arena` holds at least [`memory_kib`](Self::memory_kib) blocks.
    pub(crate) fn matches(&self, password: &Secret, arena: &mut [Block]) -> Result<bool, PhcError> {
        let equal = match &self.kind {
            Kind::Argon2id { params, salt, output } => {
                // The comparison of `Output` is constant in time.
                compute(*params, salt, output.len(), password, arena)? == *output
            }
            Kind::Bcrypt(hash) => hash.matches(password),
        };
        // Not cut short.
        Ok(equal & self.matchable)
    }

    /// A hash of `password` that costs next to nothing.
    #[cfg(test)]
    pub(crate) fn cheap(password: &[u8], salt: [u8; 16]) -> Self {
        let params = Argon2id { memory_kib: 8, passes: 1, lanes: 1 };
        let salt = Salt::new(&salt).unwrap();
        let output = compute(params, &salt, 32, &Secret::new(password.to_vec()), &mut [Block::new(); 8]).unwrap();
        Self::new(Kind::Argon2id { params, salt, output }, true)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("params", &self.params()).finish_non_exhaustive()
    }
}

/// Hashes `password` with the default cost (m=12288 KiB, t=3, p=1, 32 bytes of output) and returns the PHC line.
///
/// `salt` comes from the operating system's random source and is used once. Takes 12 MiB for the time of the call.
pub fn hash(password: &Secret, salt: [u8; 16]) -> Result<String, PhcError> {
    if password.expose().is_empty() {
        return Err(PhcError::EmptyPassword);
    }
    let salt = Salt::new(&salt).map_err(|_| PhcError::SaltLength { found: salt.len() })?;
    let mut arena = new_arena(DEFAULT.memory_kib).ok_or(PhcError::Compute(argon2::Error::OutOfMemory))?;
    let output = compute(DEFAULT, &salt, DEFAULT_OUTPUT, password, &mut arena)?;
    Ok(PasswordHash::new(Kind::Argon2id { params: DEFAULT, salt, output }, true).line().to_owned())
}

/// A hash with the cost and the lengths of `like` that no password matches, for users that do not exist.
///
/// `random` comes from the operating system's random source; one draw per decoy.
pub fn decoy(like: &PasswordHash, random: [u8; 48]) -> PasswordHash {
    let stretched = digest::digest(&digest::SHA512, &random);
    // All lengths are in range because those of `like` are; a decoy never matches, so its bytes need no more care.
    let kind = match &like.kind {
        Kind::Argon2id { params, salt, output } => {
            let new_salt = random.get(..salt.len()).and_then(|salt| Salt::new(salt).ok());
            let new_output = stretched.as_ref().get(..output.len()).and_then(|output| Output::new(output).ok());
            let (salt, output) = (new_salt.unwrap_or(*salt), new_output.unwrap_or(*output));
            Kind::Argon2id { params: *params, salt, output }
        }
        Kind::Bcrypt(hash) => {
            let mut hash = *hash;
            hash.salt.iter_mut().zip(random).for_each(|(to, from)| *to = from);
            hash.output.iter_mut().zip(stretched.as_ref()).for_each(|(to, from)| *to = *from);
            Kind::Bcrypt(hash)
        }
    };
    PasswordHash::new(kind, false)
}

/// Blocks for hashes of up to `memory_kib`, every page of them touched; `None` where the memory cannot be had.
pub(crate) fn new_arena(memory_kib: u32) -> Option<Vec<Block>> {
    let blocks = usize::try_from(memory_kib).ok()?;
    let mut arena = Vec::new();
    arena.try_reserve_exact(blocks).ok()?;
    arena.resize(blocks, Block::new());
    Some(arena)
}

fn compute(
    params: Argon2id,
    salt: &[u8],
    length: usize,
    password: &Secret,
    arena: &mut [Block],
) -> Result<Output, PhcError> {
    let mut output = [0_u8; Output::MAX_LENGTH];
    let output = output.get_mut(..length).ok_or(PhcError::OutputLength { found: length })?;
    argon2::Params::new(params.memory_kib, params.passes, params.lanes, Some(length))
        .map(|params| Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
        .and_then(|argon2| argon2.hash_password_into_with_memory(password.expose(), salt, output, arena))
        .map_err(PhcError::Compute)?;
    Output::new(output).map_err(|_| PhcError::OutputLength { found: length })
}

#[cfg(test)]
mod tests;
