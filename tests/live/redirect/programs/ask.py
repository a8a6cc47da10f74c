# SPDX-License-Identifier: Apache-2.0
"""A client as Python programs write it. Usage: ask.py blocking|timeout|asyncio PORT MESSAGES"""
import asyncio
import socket
import sys

kind, port, messages = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


def message(number):
    return bytes([ord("a") + number % 26]) * (1 + number * 37 % 3000)


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


def ask(timeout):
    whole = total = 0
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.settimeout(timeout)
        for number in range(messages):
            connection.sendall(message(number))
            answer = receive(connection, len(message(number)))
            whole += answer == message(number)
            total += len(answer)
        connection.shutdown(socket.SHUT_WR)
        return whole, total, len(receive(connection, 1))


async def ask_events():
    whole = total = 0
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for number in range(messages):
        writer.write(message(number))
        answer = await reader.readexactly(len(message(number)))
        whole += answer == message(number)
        total += len(answer)
    writer.write_eof()
    rest = len(await reader.read())
    writer.close()
    return whole, total, rest


if kind == "asyncio":
    result = asyncio.run(ask_events())
else:
    result = ask(60 if kind == "timeout" else None)
print(f"{result[0]} of {messages} in {result[1]} bytes, then {result[2]}")
