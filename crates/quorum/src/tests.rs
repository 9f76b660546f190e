//! Whole quorums: one node on a memory disk, then in the simulator with power loss, full disks, failing disks, and several
//! voters on a network that loses messages.

mod cluster;
mod disks;
mod journal;
mod power_loss;
mod single;
mod voters;
