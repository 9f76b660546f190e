use super::*;
use crate::DirEntry;
use std::io::ErrorKind;

#[test]
fn writes_are_read_back_in_every_world() {
    in_every_world(async |runtime, dir| {
        let file = runtime.disk().open(&dir.join("log"), OpenMode::CreateNew).await.unwrap();
        file.write_at(0, &[b"head", b"", b"body"]).unwrap();
        file.write_at(100_000, &[b"far"]).unwrap();
        assert_eq!(file.len().unwrap(), 100_003);
        assert_eq!(file.read_at(2, 6).await.unwrap(), b"adbody"[..]);
        assert_eq!(file.read_at(7, 4).await.unwrap(), b"y\0\0\0"[..], "a hole is zeros");
        assert_eq!(file.read_at(100_001, 50).await.unwrap(), b"ar"[..], "short at the end");
        assert_eq!(file.read_at(200_000, 5).await.unwrap(), b""[..], "empty beyond it");
        file.set_len(4).unwrap();
        file.sync("test.log").await.unwrap();
        assert_eq!(file.read_at(0, usize::MAX).await.unwrap(), b"head"[..], "an absurd length allocates nothing");
        assert!(file.read_resident(0, 4).is_none_or(|bytes| bytes == b"head"[..]));
        file.allocate(1 << 20).await.unwrap();
        file.start_writeback(0, 4).await;
        assert_eq!(file.len().unwrap(), 4, "allocating keeps the length");
    });
}

#[test]
fn many_buffers_are_written_whole() {
    in_every_world(async |runtime, dir| {
        let file = runtime.disk().open(&dir.join("log"), OpenMode::Create).await.unwrap();
        let bytes = pattern(1000, 1);
        let bufs: Vec<&[u8]> = bytes.chunks(7).collect();
        file.write_at(3, &bufs).unwrap();
        assert_eq!(file.read_at(3, 1000).await.unwrap(), bytes);
    });
}

#[test]
fn open_modes_are_kept() {
    in_every_world(async |runtime, dir| {
        let (disk, path) = (runtime.disk(), dir.join("file"));
        let kind = async |mode| disk.open(&path, mode).await.map(drop).map_err(|error| error.kind());
        assert_eq!(kind(OpenMode::Read).await, Err(ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::ReadWrite).await, Err(ErrorKind::NotFound));
        assert_eq!(kind(OpenMode::Create).await, Ok(()));
        assert_eq!(kind(OpenMode::CreateNew).await, Err(ErrorKind::AlreadyExists));
        assert_eq!(kind(OpenMode::Create).await, Ok(()));
        let missing = disk.open(&dir.join("no/file"), OpenMode::Create).await.unwrap_err();
        assert_eq!(missing.kind(), ErrorKind::NotFound);
        assert!(missing.to_string().contains("no/file"), "{missing}");
    });
}

#[test]
fn names_are_listed_renamed_and_removed() {
    in_every_world(async |runtime, dir| {
        let disk = runtime.disk();
        disk.create_dir_all(&dir.join("topic-0/deep")).await.unwrap();
        disk.open(&dir.join("topic-0/b"), OpenMode::Create).await.unwrap().write_at(0, &[b"123"]).unwrap();
        disk.open(&dir.join("topic-0/a"), OpenMode::Create).await.unwrap();
        disk.rename(&dir.join("topic-0"), &dir.join("topic-0-delete")).await.unwrap();
        assert!(!disk.exists(&dir.join("topic-0")).await.unwrap());
        assert!(!disk.exists(&dir.join("topic-0/b")).await.unwrap());
        let entry = |name: &str, is_dir, len| DirEntry { name: name.to_owned(), is_dir, len };
        let listed = disk.list(&dir.join("topic-0-delete")).await.unwrap();
        assert_eq!(listed, [entry("a", false, 0), entry("b", false, 3), entry("deep", true, 0)]);
        disk.remove_file(&dir.join("topic-0-delete/a")).await.unwrap();
        disk.sync_dir(&dir.join("topic-0-delete"), "test.dir").await.unwrap();
        disk.remove_dir_all(&dir.join("topic-0-delete")).await.unwrap();
        assert_eq!(disk.list(&dir).await.unwrap(), []);
        assert_eq!(disk.list(&dir.join("gone")).await.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(disk.remove_file(&dir.join("gone")).await.unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_rename_replaces_a_file_and_open_handles_keep_theirs() {
    in_every_world(async |runtime, dir| {
        let (disk, old, new) = (runtime.disk(), dir.join("old"), dir.join("new"));
        let replaced = disk.open(&new, OpenMode::Create).await.unwrap();
        replaced.write_at(0, &[b"replaced"]).unwrap();
        disk.open(&old, OpenMode::Create).await.unwrap().write_at(0, &[b"moved"]).unwrap();
        disk.rename(&old, &new).await.unwrap();
        assert_eq!(content(&runtime, &new).await.unwrap(), b"moved");
        assert_eq!(content(&runtime, &old).await, None);
        disk.remove_file(&new).await.unwrap();
        assert_eq!(replaced.read_at(0, 100).await.unwrap(), b"replaced"[..]);
    });
}

#[test]
fn small_files_are_replaced_and_read_whole() {
    in_every_world(async |runtime, dir| {
        let (disk, path) = (runtime.disk(), dir.join("checkpoint"));
        disk.write_atomic(&path, b"a longer first version", "test.checkpoint").await.unwrap();
        disk.write_atomic(&path, b"second", "test.checkpoint").await.unwrap();
        assert_eq!(disk.read(&path, 6).await.unwrap(), b"second"[..]);
        assert_eq!(disk.read(&path, 5).await.unwrap_err().kind(), ErrorKind::FileTooLarge);
        assert_eq!(disk.list(&dir).await.unwrap().len(), 1, "no temporary file is left");
    });
}

#[test]
fn a_lock_has_one_holder() {
    in_every_world(async |runtime, dir| {
        let path = dir.join(".lock");
        let guard = runtime.disk().lock(&path).await.unwrap();
        let refused = runtime.metadata_disk().lock(&path).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
        assert!(refused.to_string().contains("process"), "{refused}");
        drop(guard);
        runtime.disk().lock(&path).await.unwrap();
    });
}

#[test]
fn space_is_told() {
    in_every_world(async |runtime, dir| {
        let space = runtime.disk().space(&dir).await.unwrap();
        assert!(0 < space.available && space.available <= space.total, "{space:?}");
    });
}
