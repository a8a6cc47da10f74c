# SPDX-License-Identifier: Apache-2.0
"""What runs in a pod: servers on its ports, and a client. Each line of standard input is a list of questions (protocol,
address, port), its answer the list of what became of them: "ok", or why not."""
import json
import socket
import sys
import threading

LIMIT_S = 2  # for what is dropped; what is refused is refused at once


def serve_tcp(address: tuple) -> None:
    with socket.create_server(address, backlog=128) as listener:
        while True:
            one, _ = listener.accept()
            with one:
                one.sendall(b"ok")


def serve_udp(one: socket.socket) -> None:
    while True:
        _, client = one.recvfrom(16)
        one.sendto(b"ok", client)


def ask(protocol: str, address: str, port: int) -> str:
    try:
        with socket.socket(type=socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM) as one:
            one.settimeout(LIMIT_S)
            if protocol == "TCP":
                one.connect((address, port))
                return one.recv(16).decode()
            one.sendto(b"?", (address, port))
            text, server = one.recvfrom(16)
            return text.decode() if server == (address, port) else f"an answer from {server}"
    except OSError as error:
        return str(error)


def main() -> None:
    address, *ports = sys.argv[1:]
    for port in map(int, ports):
        datagrams = socket.socket(type=socket.SOCK_DGRAM)
        datagrams.bind((address, port))
        threading.Thread(target=serve_udp, args=(datagrams,), daemon=True).start()
        threading.Thread(target=serve_tcp, args=((address, port),), daemon=True).start()
    print("up", flush=True)
    for line in sys.stdin:
        print(json.dumps([ask(*question) for question in json.loads(line)]), flush=True)


if __name__ == "__main__":
    main()
