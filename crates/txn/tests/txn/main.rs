//! The transaction coordinator's state, told as stories.

mod rig;
mod script;
mod stories;
