//! Runs each fuzz target for a bounded time on mutations of valid input.
//!
//! Each target gets an equal share of the time. Input n of a target depends only on the seed, the target's name and n, so a
//! failure is replayed with `--seed`. The first failure of a target ends it with the seed and the input.

// A tool: it measures real time.
#![allow(clippy::disallowed_methods)]

mod alloc;
mod mutate;
mod targets;

use fastrand::Rng;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use targets::Target;

/// What the command line says.
struct Options {
    seed: u64,
    seconds: u64,
    only: Option<String>,
}

fn main() -> ExitCode {
    let options = match parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}\nusage: ottla-fuzz [--seconds N] [--seed N] [--only TARGET]");
            return ExitCode::from(2);
        }
    };
    let chosen: Vec<&Target> =
        targets::ALL.iter().filter(|target| options.only.as_deref().is_none_or(|only| only == target.name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = targets::ALL.iter().map(|target| target.name).collect();
        eprintln!("no such target; there are: {}", names.join(", "));
        return ExitCode::from(2);
    }
    std::panic::set_hook(Box::new(|_| {}));
    let share = Duration::from_secs(options.seconds) / chosen.len() as u32;
    let failed = chosen.iter().filter(|target| !fuzz(target, options.seed, share)).count();
    println!("{} passed, {failed} failed", chosen.len() - failed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let fresh = getrandom::u64().map_err(|error| format!("no seed from the system: {error}"))?;
    let mut options = Options { seed: fresh, seconds: 20, only: None };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number = || value.parse::<u64>().map_err(|_| format!("{flag} needs a number, not '{value}'"));
        match flag.as_str() {
            "--seed" => options.seed = number()?,
            "--seconds" => options.seconds = number()?,
            "--only" => options.only = Some(value),
            _ => return Err(format!("unknown flag {flag}")),
        }
    }
    Ok(options)
}

/// Whether the target survived.
fn fuzz(target: &Target, seed: u64, share: Duration) -> bool {
    let end = Instant::now() + share;
    let mut rng = Rng::with_seed(
        seed ^ target.name.bytes().fold(0, |sum, byte| u64::wrapping_add(u64::wrapping_mul(sum, 31), u64::from(byte))),
    );
    let mut inputs = 0u64;
    while Instant::now() < end {
        let valid = (target.seed)(&mut rng);
        let input = if inputs.is_multiple_of(16) { valid } else { mutate::mutate(&mut rng, &valid) };
        inputs += 1;
        if let Err(what) = try_input(target, &input) {
            println!("{}: FAILED after {inputs} inputs: {what}\n  --seed {seed} --only {}", target.name, target.name);
            println!("  input: {}", input.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
            return false;
        }
    }
    println!("{}: {inputs} inputs, seed {seed}", target.name);
    true
}

fn try_input(target: &Target, input: &[u8]) -> Result<(), String> {
    let mut outcome = Ok(());
    let allocated = alloc::allocated_by(|| {
        outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
            let text = panic.downcast_ref::<String>().cloned();
            text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
        });
    });
    outcome.map_err(|text| format!("panicked: {text}"))?;
    let allowed = target.allocation.fixed + target.allocation.per_input_byte * input.len() as u64;
    if allocated > allowed {
        return Err(format!("allocated {allocated} bytes for an input of {}; allowed are {allowed}", input.len()));
    }
    Ok(())
}
