//! Ids of log directories (KIP-858), and the reserved ones.

use ottla_types::Uuid;

const fn reserved_id(number: u8) -> Uuid {
    let mut bytes = [0; 16];
    bytes[15] = number;
    Uuid(bytes)
}

/// The broker has not named its directories.
pub const MIGRATING: Uuid = reserved_id(0);
/// The broker has not yet chosen a directory.
pub const UNASSIGNED: Uuid = reserved_id(1);
/// The directory is gone.
pub const LOST: Uuid = reserved_id(2);

/// Whether `id` is one of the first hundred, which no directory has.
pub fn is_reserved(id: Uuid) -> bool {
    id.0[..15].iter().all(|byte| *byte == 0) && id.0[15] < 100
}
