//! Files that the documentation shows: what a reader copies is what the tests run.
//!
//! A fenced block that follows `<!-- PATH -->` holds the whole file PATH, nothing else.

use super::Verdict;
use super::sources::SourceFile;

pub(super) fn check(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for page in files.iter().filter(|file| file.path.ends_with(".md")) {
        for (path, block) in quotations(&page.text) {
            match files.iter().find(|file| file.path == path) {
                Some(file) if file.text == block => {}
                Some(_) => verdict.broken.push(format!("{} shows {path} as it is not any more", page.path)),
                None => verdict.broken.push(format!("{} shows {path}, which does not exist", page.path)),
            }
        }
    }
    verdict
}

/// `(path, text of the block)` of every block that says which file it shows.
fn quotations(page: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("<!-- ") {
        rest = after;
        let Some((path, after)) = after.split_once(" -->\n```") else { continue };
        if path.contains(char::is_whitespace) {
            continue;
        }
        let Some((_language, after)) = after.split_once('\n') else { continue };
        let Some(end) = after.find("\n```") else { continue };
        found.push((path, &after[..=end]));
        rest = &after[end..];
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_compared_with_the_file_that_it_names() {
        let file =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), text: text.to_owned(), code: String::new() };
        let page = "Look:\n<!-- a/b.py -->\n```python\nx = 1\ny = 2\n```\n<!-- made by hand -->\n```\nfree\n```\n";
        assert_eq!(quotations(page), [("a/b.py", "x = 1\ny = 2\n")]);
        let broken = |text: &str| check(&[file("docs/p.md", page), file("a/b.py", text)]).broken.len();
        assert_eq!((broken("x = 1\ny = 2\n"), broken("x = 1\n")), (0, 1));
        assert_eq!(check(&[file("docs/p.md", page)]).broken.len(), 1);
    }
}
