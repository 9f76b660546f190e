//! What is read: whole files, and lines of a file or of standard input, on a thread of their own so that waiting for a person
//! stops nothing else.

use crate::failure::Failure;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::path::Path;
use tokio::sync::mpsc;

/// Lines that may wait to be taken.
const WAITING_MAX: usize = 1024;

/// Lines without their ends.
pub struct Lines {
    lines: mpsc::Receiver<std::io::Result<Vec<u8>>>,
}

impl Lines {
    /// Lines of standard input: ended by `\n` or `\r\n`.
    pub fn of_stdin() -> Lines {
        Lines::new(|| Ok(Box::new(std::io::stdin())), b"\n".to_vec(), true)
    }

    /// Pieces of a file, or of standard input, between `delimiter`s; with `\n`, an `\r` before it stays.
    pub fn between(file: Option<&Path>, delimiter: &[u8]) -> Lines {
        let file = file.map(Path::to_path_buf);
        let open = move || -> std::io::Result<Box<dyn Read>> {
            Ok(match file {
                Some(file) => Box::new(File::open(file)?),
                None => Box::new(std::io::stdin()),
            })
        };
        Lines::new(open, delimiter.to_vec(), false)
    }

    fn new(
        open: impl FnOnce() -> std::io::Result<Box<dyn Read>> + Send + 'static,
        delimiter: Vec<u8>,
        drops_returns: bool,
    ) -> Lines {
        let (sender, lines) = mpsc::channel(WAITING_MAX);
        // Ends by itself: at the end of the input, or when nobody takes lines any more.
        std::thread::spawn(move || {
            let mut input = match open() {
                Ok(input) => BufReader::new(input),
                Err(error) => {
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            while let Some(piece) = next_piece(&mut input, &delimiter).transpose() {
                let piece = piece.map(|mut piece| {
                    if drops_returns && piece.last() == Some(&b'\r') {
                        piece.pop();
                    }
                    piece
                });
                if sender.blocking_send(piece).is_err() {
                    return;
                }
            }
        });
        Lines { lines }
    }

    /// The next one; nothing at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let line = self.lines.recv().await.transpose();
        line.map_err(|error| Failure::new(format!("cannot read the input: {error}")))
    }
}

/// The text of a file that was named on the command line.
pub fn read_text(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}

/// Bytes of a file that has an end; nothing for pipes, devices and what cannot be looked at.
pub fn size(file: &Path) -> Option<u64> {
    std::fs::metadata(file).ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
}

/// The same of standard input: `< file`.
pub fn size_of_stdin() -> Option<u64> {
    let opened = File::from(std::io::stdin().as_fd().try_clone_to_owned().ok()?);
    opened.metadata().ok().filter(std::fs::Metadata::is_file).map(|found| found.len())
}

/// Bytes up to the delimiter, without it; nothing at the end of the input.
fn next_piece(input: &mut impl BufRead, delimiter: &[u8]) -> std::io::Result<Option<Vec<u8>>> {
    let mut piece = Vec::new();
    let Some(last) = delimiter.last() else {
        input.read_to_end(&mut piece)?;
        return Ok((!piece.is_empty()).then_some(piece));
    };
    loop {
        let read = input.read_until(*last, &mut piece)?;
        if piece.ends_with(delimiter) {
            piece.truncate(piece.len() - delimiter.len());
            return Ok(Some(piece));
        }
        if read == 0 {
            return Ok((!piece.is_empty()).then_some(piece));
        }
    }
}

/// Where `needle` begins in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    if needle.is_empty() {
        return Some(0);
    }
    bytes.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(input: &[u8], delimiter: &[u8]) -> Vec<Vec<u8>> {
        let mut input = input;
        std::iter::from_fn(|| next_piece(&mut input, delimiter).unwrap()).collect()
    }

    #[test]
    fn pieces_end_with_the_delimiter_or_the_input() {
        assert_eq!(pieces(b"a\n\nb", b"\n"), [b"a".to_vec(), b"".to_vec(), b"b".to_vec()]);
        assert_eq!(pieces(b"a;\xff;;b;;", b";;"), [b"a;\xff".to_vec(), b"b".to_vec()]);
        assert_eq!(pieces(b"a\nb", b""), [b"a\nb".to_vec()]);
        assert!(pieces(b"", b"\n").is_empty());
    }

    #[test]
    fn only_files_have_a_size() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"12345").unwrap();
        assert_eq!(size(file.path()), Some(5));
        assert_eq!(size(Path::new("/dev/null")), None);
        assert_eq!(size(Path::new("/no/such/file")), None);
    }
}
