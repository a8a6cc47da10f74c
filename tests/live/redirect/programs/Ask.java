// SPDX-License-Identifier: Apache-2.0

import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.util.Arrays;

/** A blocking client. Usage: Ask PORT MESSAGES TIMEOUT_MS; with a timeout the JVM makes the socket non-blocking. */
class Ask {
    public static void main(String[] words) throws Exception {
        int messages = Integer.parseInt(words[1]), whole = 0, sum = 0;
        try (Socket socket = new Socket(InetAddress.getByName("127.0.0.1"), Integer.parseInt(words[0]))) {
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(Integer.parseInt(words[2]));
            InputStream in = socket.getInputStream();
            for (int i = 0; i < messages; ++i) {
                byte[] message = new byte[1 + i * 37 % 3000];
                Arrays.fill(message, (byte) ('a' + i % 26));
                socket.getOutputStream().write(message);
                byte[] answer = in.readNBytes(message.length);
                whole += Arrays.equals(message, answer) ? 1 : 0;
                sum += answer.length;
            }
            socket.shutdownOutput();
            System.out.println(whole + " of " + messages + " in " + sum + " bytes, then " + in.readAllBytes().length);
        }
    }
}
