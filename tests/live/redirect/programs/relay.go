// SPDX-License-Identifier: Apache-2.0

// What Go programs do with connections: a client and a server that read and write, and a relay that copies by io.Copy,
// which splices where it can.
//
//	relay serve               prints its port, echoes
//	relay copy PORT           prints its port, relays to PORT
//	relay ask PORT MESSAGES   prints how many came back as they were, and their bytes
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
)

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func listen(each func(*net.TCPConn)) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		must(err)
		go each(connection.(*net.TCPConn))
	}
}

func echo(connection *net.TCPConn) {
	defer connection.Close()
	buffer := make([]byte, 64*1024)
	for {
		length, err := connection.Read(buffer)
		if err != nil {
			return
		}
		if _, err := connection.Write(buffer[:length]); err != nil {
			return
		}
	}
}

func pass(to, from *net.TCPConn) {
	io.Copy(to, from)
	to.CloseWrite()
}

func dial(port string) *net.TCPConn {
	connection, err := net.Dial("tcp", "127.0.0.1:"+port)
	must(err)
	return connection.(*net.TCPConn)
}

func ask(port string, messages int) {
	connection := dial(port)
	whole, sum := 0, 0
	for i := 0; i < messages; i++ {
		message := bytes.Repeat([]byte{byte('a' + i%26)}, 1+i*37%3000)
		_, err := connection.Write(message)
		must(err)
		answer := make([]byte, len(message))
		_, err = io.ReadFull(connection, answer)
		must(err)
		if bytes.Equal(message, answer) {
			whole++
		}
		sum += len(answer)
	}
	must(connection.CloseWrite())
	rest, err := io.ReadAll(connection)
	must(err)
	fmt.Println(whole, "of", messages, "in", sum, "bytes, then", len(rest))
}

func main() {
	switch os.Args[1] {
	case "serve":
		listen(echo)
	case "copy":
		listen(func(client *net.TCPConn) {
			server := dial(os.Args[2])
			go pass(server, client)
			pass(client, server)
		})
	case "ask":
		messages, err := strconv.Atoi(os.Args[3])
		must(err)
		ask(os.Args[2], messages)
	}
}
