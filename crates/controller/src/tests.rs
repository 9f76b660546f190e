//! Whole controllers: on a memory disk, then in the simulator with power loss, full and failing disks.

mod node;
mod power_loss;
mod serving;
mod storage;
