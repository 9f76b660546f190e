use super::*;
use crate::{FileRange, ListenOptions, Part};
use bytes::{Bytes, BytesMut};
use rustix::fs::{Advice, fadvise};

const LEN: usize = 8 << 20;

fn small_buffers() -> ListenOptions {
    let bytes = Some(100_000);
    ListenOptions { send_buffer_bytes: bytes, receive_buffer_bytes: bytes, ..ListenOptions::default() }
}

/// Sends the file in ranges of at most `most` bytes, surrounded by bytes, over loopback; returns what arrives.
async fn sent_over_loopback(runtime: &Runtime, path: &Path, most: u64) -> Vec<u8> {
    let listener = runtime.listen("localhost:0", small_buffers()).await.unwrap();
    let (mut receiver, _keep_open) = runtime.connect(&listener.local_addr().to_string()).await.unwrap().split();
    let (_keep_open_too, mut sender) = listener.accept().await.unwrap().0.split();
    let file = runtime.disk().open(path, OpenMode::Read).await.unwrap();
    let sending = runtime.spawn("send", async move {
        let end = LEN as u64 - 100;
        sender.send(vec![Part::Bytes(Bytes::from_static(b"<"))]).await?;
        for offset in (100..end).step_by(most as usize) {
            let range = FileRange { file: file.clone(), offset, len: most.min(end - offset) };
            sender.send(vec![Part::Bytes(Bytes::new()), Part::File(range)]).await?;
        }
        sender.send(vec![Part::Bytes(Bytes::from_static(b">"))]).await
    });
    let mut received = BytesMut::with_capacity(LEN);
    while received.len() < LEN - 198 {
        assert!(receiver.read(&mut received).await.unwrap() > 0);
    }
    sending.await.unwrap().unwrap();
    received.to_vec()
}

#[test]
fn resident_and_evicted_files_are_sent_exactly() {
    in_real_world(async |runtime, dir| {
        let (path, content) = (dir.join("segment"), pattern(LEN, 7));
        let file = runtime.disk().open(&path, OpenMode::CreateNew).await.unwrap();
        file.write_at(0, &[&content]).unwrap();
        file.sync("test.segment").await.unwrap();
        let expected = [b"<", &content[100..LEN - 100], b">"].concat();
        let evicted = std::fs::File::open(&path).unwrap();
        // The last is small enough for a copy.
        for most in [LEN as u64, 1 << 20, 30_000] {
            assert!(sent_over_loopback(&runtime, &path, most).await == expected, "resident, {most}");
            fadvise(&evicted, 0, None, Advice::DontNeed).unwrap();
            assert!(sent_over_loopback(&runtime, &path, most).await == expected, "evicted, {most}");
            fadvise(&evicted, 0, None, Advice::DontNeed).unwrap();
        }
        assert!(file.read_at(5, LEN).await.unwrap() == content[5..], "a cold read");
    });
}

/// More receivers that take nothing than there are storage threads must not keep the others from their bytes.
#[test]
fn receivers_that_take_nothing_hold_up_nobody() {
    in_real_world(async |runtime, dir| {
        let content = pattern(LEN, 7);
        let cold = async |name: String| {
            let path = dir.join(name);
            let file = runtime.disk().open(&path, OpenMode::CreateNew).await.unwrap();
            file.write_at(0, &[&content]).unwrap();
            file.sync("test.segment").await.unwrap();
            fadvise(std::fs::File::open(&path).unwrap(), 0, None, Advice::DontNeed).unwrap();
            (path, file)
        };
        let listener = runtime.listen("localhost:0", small_buffers()).await.unwrap();
        let mut slow = Vec::new();
        for number in 0..5 {
            let receiver = runtime.connect(&listener.local_addr().to_string()).await.unwrap();
            let (keep_open, mut sender) = listener.accept().await.unwrap().0.split();
            let (_, file) = cold(format!("slow-{number}")).await;
            let sending = runtime.spawn("send", async move {
                let range = FileRange { file, offset: 0, len: LEN as u64 };
                while sender.send(vec![Part::File(range.clone())]).await.is_ok() {}
            });
            slow.push((receiver, keep_open, sending));
        }
        let expected = [b"<", &content[100..LEN - 100], b">"].concat();
        let (path, _file) = cold("segment".to_owned()).await;
        assert!(sent_over_loopback(&runtime, &path, 1 << 20).await == expected);
        for (receiver, keep_open, sending) in slow {
            drop((receiver, keep_open));
            sending.await.unwrap();
        }
    });
}

#[test]
fn the_boot_id_is_the_machines_or_the_given_one() {
    in_real_world(async |runtime, _| {
        assert_eq!(runtime.boot_id().len(), 36, "a UUID: {}", runtime.boot_id());
        let options = RealOptions { boot_id_override: Some("another".to_owned()), ..RealOptions::default() };
        assert_eq!(Runtime::real(options).unwrap().boot_id(), "another");
    });
}

#[test]
fn a_lock_file_names_its_holder() {
    in_real_world(async |runtime, dir| {
        let _guard = runtime.disk().lock(&dir.join(".lock")).await.unwrap();
        let refused = runtime.disk().lock(&dir.join(".lock")).await.unwrap_err();
        assert!(refused.to_string().ends_with(&format!("is locked by process {}", std::process::id())), "{refused}");
    });
}

#[test]
fn a_signal_is_told_by_name() {
    in_real_world(async |runtime, _| {
        let waiting = runtime.clone();
        let task = runtime.spawn("wait", async move { waiting.shutdown_signal().await });
        // The handlers are installed when the task is first polled.
        tokio::task::yield_now().await;
        rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::TERM).unwrap();
        assert_eq!(task.await.unwrap().unwrap(), "SIGTERM");
    });
}

#[test]
fn many_jobs_at_once_wait_for_their_turn() {
    in_real_world(async |runtime, dir| {
        let file = runtime.metadata_disk().open(&dir.join("log"), OpenMode::Create).await.unwrap();
        file.write_at(0, &[b"x"]).unwrap();
        let tasks: Vec<_> = (0..3000)
            .map(|_| {
                let file = file.clone();
                runtime.spawn("size", async move { file.allocate(10).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}
