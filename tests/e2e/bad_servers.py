"""Servers that are no API server: they show wrong certificates, break TLS, redirect. Each writes
down what it heard, so that a test can say that nothing was told to it."""

import contextlib
import socket
import ssl
import tempfile
import threading

HEAD_LIMIT_BYTES = 64 * 1024
IO_LIMIT_S = 20


class BadServer:
    """Listens on 127.0.0.1 and serves each connection in a thread."""

    def __init__(self):
        self.heard = []  # the heads of requests
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open = set()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        # Closing alone does not wake the thread that waits in accept().
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        self._open.add(connection)
        connection.settimeout(IO_LIMIT_S)
        with contextlib.suppress(OSError), connection:
            self.serve(connection)
        self._open.discard(connection)

    def serve(self, connection):
        raise NotImplementedError

    def answer(self, connection, text):
        """Reads a request's head and answers it with this text."""
        head = b""
        while b"\r\n\r\n" not in head and len(head) < HEAD_LIMIT_BYTES:
            got = connection.recv(4096)
            if not got:
                return
            head += got
        self.heard.append(head.decode("latin-1"))
        connection.sendall(text.encode())


class Secured(BadServer):
    """Speaks TLS with this certificate, and answers every request with one text."""

    def __init__(self, pair, text="", newest=None, demands=None):
        """`newest`: the newest TLS version; `demands`: the CA (PEM) of clients' certificates."""
        super().__init__()
        self.text = text
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:
            file.write(pair.certificate_pem() + pair.key_pem())
            file.flush()
            self.context.load_cert_chain(file.name)
        if newest:
            self.context.set_ciphers("ALL:@SECLEVEL=0")
            self.context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            self.context.maximum_version = newest
        if demands:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(cadata=demands)

    def serve(self, connection):
        with self.context.wrap_socket(connection, server_side=True) as secured:
            self.answer(secured, self.text)


class Plain(BadServer):
    """Speaks HTTP without TLS."""

    def serve(self, connection):
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


class Hasty(BadServer):
    """Goes away in the middle of the handshake."""

    def serve(self, connection):
        connection.recv(100)


class Silent(BadServer):
    """Takes everything and says nothing."""

    def serve(self, connection):
        while connection.recv(4096):
            pass
