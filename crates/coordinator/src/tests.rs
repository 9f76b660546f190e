//! The runtime with a toy shard and a log in memory.

mod kit;
mod loading;
mod scenarios;
