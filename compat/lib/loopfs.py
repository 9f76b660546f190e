"""An ext4 file system of our own in an image file, whose power can be cut.

EXT4_IOC_SHUTDOWN without a log flush makes the mounted file system forget everything that has not reached its image:
what a power failure does to a disk, without the machine.
"""

import fcntl
import os
import struct
import subprocess

import cases

EXT4_IOC_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32)
NO_LOG_FLUSH = 2


class LoopFilesystem:
    """Made and mounted on enter, unmounted and removed on exit."""

    def __init__(self, directory, megabytes):
        self.image = os.path.join(directory, "image.ext4")
        self.mount_point = os.path.join(directory, "mnt")
        self.megabytes = megabytes
        self.mounted = False

    def __enter__(self):
        os.makedirs(self.mount_point, exist_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(self.megabytes * 1024 * 1024)
        _run("mkfs.ext4", "-q", "-F", self.image)
        self.mount()
        return self

    def __exit__(self, *_):
        if self.mounted:
            self.unmount()
        os.remove(self.image)

    def mount(self):
        """The loop device goes away by itself with the mount."""
        _run("mount", "-t", "ext4", "-o", "loop", self.image, self.mount_point)
        self.mounted = True

    def cut_power(self):
        """From here on every write to the file system fails and nothing more reaches the image."""
        descriptor = os.open(self.mount_point, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def unmount(self):
        def gone():
            return subprocess.run(["umount", self.mount_point], capture_output=True, check=False).returncode == 0

        cases.eventually("the file system can be unmounted", gone, seconds=20, interval=0.1)
        self.mounted = False


def remove_leftovers(suffix):
    """Unmounts what earlier runs left that were killed: mounts that end like ours and whose image is gone or idle."""
    with open("/proc/mounts") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in points:
        run_directory = os.path.basename(os.path.dirname(os.path.dirname(point)))
        owner = run_directory.rpartition("-")[2]
        if point.endswith(suffix) and owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
            subprocess.run(["umount", "--lazy", point], check=False)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
