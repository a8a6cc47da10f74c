#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A client inside the kernel keeps working: a file system that is mounted through a service's address, 9P over TCP, with
everything of the agent on. In the guest of vm-tests only: other machines' kernels may have no such client.

Usage: kernel_client.py   ends with status 0 where what was read is what the server has, over a second mount and a change of
the endpoint too.
"""
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parents[1]
SERVICE = "10.96.0.50"
CGROUP = pathlib.Path("/sys/fs/cgroup/kernel-client")
OBJECTS = """
apiVersion: v1
kind: Service
metadata: {{name: files, namespace: default}}
spec: {{clusterIPs: [{service}], ports: [{{port: 564, targetPort: {port}}}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: files-1, namespace: default, labels: {{kubernetes.io/service-name: files}}}}
addressType: IPv4
ports: [{{port: {port}, protocol: TCP}}]
endpoints: [{{addresses: [127.0.0.1], conditions: {{ready: true}}}}]
"""
VERSION, ATTACH, FLUSH, WALK, READ, CLUNK, STATFS, LOPEN, GETATTR, LERROR = 100, 104, 108, 110, 116, 120, 8, 12, 24, 6
EOPNOTSUPP, ENOENT = 95, 2


class Files:
    """A server of one file, `data`, in 9P2000.L (the numbers of its messages are those of diod's protocol.md)."""

    def __init__(self, content):
        self.content = content
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            peer, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        stream, fids = peer.makefile("rb"), {}
        while head := stream.read(7):
            size, kind, tag = struct.unpack("<IBH", head)
            answer = self.answer(kind, stream.read(size - 7), fids)
            if isinstance(answer, int):
                kind, answer = LERROR, struct.pack("<I", answer)
            peer.sendall(struct.pack("<IBH", len(answer) + 7, kind + 1, tag) + answer)

    @staticmethod
    def qid(is_file):
        return struct.pack("<BIQ", 0 if is_file else 0x80, 1, 2 if is_file else 1)

    def answer(self, kind, body, fids):
        """The answer's body, or an errno."""
        fid = struct.unpack_from("<I", body)[0] if len(body) >= 4 else 0
        if kind == VERSION:
            return body  # as asked: 9P2000.L
        if kind == ATTACH:
            fids[fid] = False
            return self.qid(False)
        if kind == WALK:
            return self.walk(fid, body, fids)
        if kind == GETATTR:
            size = len(self.content) if fids[fid] else 0
            return (struct.pack("<Q", 0x7ff) + self.qid(fids[fid]) + struct.pack(
                "<III5Q", 0o100444 if fids[fid] else 0o40555, 0, 0, 1, 0, size, 4096, (size + 511) // 512) + bytes(80))
        if kind == LOPEN:
            return self.qid(fids[fid]) + struct.pack("<I", 0)
        if kind == READ:
            _, offset, count = struct.unpack_from("<IQI", body)
            part = self.content[offset:offset + count]
            return struct.pack("<I", len(part)) + part
        if kind == STATFS:
            return struct.pack("<IIQQQQQQI", 0x01021997, 4096, 1, 0, 0, 1, 0, 0, 255)
        return b"" if kind in (CLUNK, FLUSH) else EOPNOTSUPP

    def walk(self, fid, body, fids):
        new, count = struct.unpack_from("<IH", body, 4)
        if count == 0:
            fids[new] = fids[fid]
            return struct.pack("<H", 0)
        if count != 1 or body[12:] != b"data":
            return ENOENT
        fids[new] = True
        return struct.pack("<H", 1) + self.qid(True)


def mounted(folder):
    """What the file says, read through a mount by a process in the cgroup."""
    enter = f"echo $$ >{CGROUP}/cgroup.procs && mount -t 9p -o trans=tcp,port=564,version=9p2000.L {SERVICE} {folder}"
    subprocess.run(["sh", "-c", enter], check=True)
    try:
        return (folder / "data").read_bytes()
    finally:
        subprocess.run(["umount", folder], check=True)


def main():
    work = pathlib.Path(tempfile.mkdtemp())
    for name in ("config", "run", "mount"):
        (work / name).mkdir()
    CGROUP.mkdir(exist_ok=True)
    first, second = (Files(os.urandom(300_000)) for _ in range(2))
    objects = work / "config/objects.yaml"
    objects.write_text(OBJECTS.format(service=SERVICE, port=first.port))
    words = [ROOT / "build/bin/fairlead-agent", "--config", work / "config", "--cgroup", CGROUP, "--pin-dir",
             "/sys/fs/bpf/kernel-client", "--run-dir", work / "run", "--socket", work / "run/agent.sock", "--metrics", "off",
             "--redirect", "all", "--node", "n1"]
    agent = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert agent.stdout.readline() == "ready\n"
    for _ in range(2):
        assert mounted(work / "mount") == first.content, "what was read is not what the server has"
    objects.write_text(OBJECTS.format(service=SERVICE, port=second.port))
    while (content := mounted(work / "mount")) != second.content:  # until the agent has seen the change
        assert content == first.content, "what was read is what no server has"
    agent.terminate()
    assert agent.wait() == 0
    subprocess.run([*words[:1], "uninstall", *words[5:9]], check=True)
    print("the kernel's own client reads what the server has")


if __name__ == "__main__":
    sys.exit(main())
