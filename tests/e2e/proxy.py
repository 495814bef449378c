"""A TCP proxy between podkeeperd and an API server that is faulty on demand: it delays, throttles,
clogs, cuts at any byte, and leaves connections half open. It sees bytes, never what TLS says.

It runs in a thread with an event loop of its own; every method may be called from any thread.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading
import urllib.parse

CHUNK_BYTES = 64 * 1024
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Link:
    """One connection through the proxy."""

    def __init__(self, client, server, cut_after):
        self.client, self.server = client, server
        self.cut_after = cut_after  # bytes from the server; None: never
        self.passable = asyncio.Event()
        self.passable.set()
        self.left_open = False

    def reset(self):
        """Ends both sides as a router that lost its state does, with a RST."""
        for writer in (self.client, self.server):
            with contextlib.suppress(OSError):
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE
                )
            writer.transport.abort()
        self.passable.set()

    def leave_open(self):
        """The server's side is gone, and the client is not told."""
        self.left_open = True
        self.server.transport.abort()

    def close(self):
        """Ends both sides once what was written is sent."""
        for writer in (self.client, self.server):
            writer.close()


class FaultProxy:
    """Forwards 127.0.0.1:PORT to the host and port of a URL. Starts without a fault."""

    def __init__(self, target, seed=1):
        """`target` is a URL; the choices of clog() are the seed's."""
        self.delay_s = 0.0  # of each chunk, in each direction
        self.bytes_per_s = 0  # of each connection and direction; 0: no limit
        self.accepted = 0
        self.cuts = 0
        self.set_target(target)
        self._next_cuts = []
        self._links = set()
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def set_target(self, url):
        """Where connections go that are accepted from now on."""
        parts = urllib.parse.urlsplit(url)
        self._target = (parts.hostname, parts.port)

    def __enter__(self):
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._serve, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"https://127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self):
        """Resets every connection; gives how many."""
        return self._run(self._each(list, Link.reset))

    def cut_next(self, *after_bytes):
        """The next connections, one for each number, are reset when this many bytes have come
        from the server."""
        self._call(lambda: self._next_cuts.extend(after_bytes))

    def clog(self, share=1.0):
        """This share of the connections, chosen at random, passes nothing on until unclog()."""

        def choose(links):
            ordered = sorted(links, key=id)
            return self._random.sample(ordered, round(len(ordered) * share))

        return self._run(self._each(choose, lambda link: link.passable.clear()))

    def unclog(self):
        return self._run(self._each(list, lambda link: link.passable.set()))

    def half_open(self):
        """Every connection loses its server, and its client is not told."""
        return self._run(self._each(list, Link.leave_open))

    def connections(self):
        return len(self._links)

    def _run(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(timeout=30)

    def _call(self, function):
        async def call():
            function()

        self._run(call())

    async def _each(self, choose, act):
        chosen = choose(self._links)
        for link in chosen:
            act(link)
        return len(chosen)

    async def _end(self):
        self._server.close()
        for link in list(self._links):
            link.left_open = False
            link.reset()
        await self._server.wait_closed()
        # Each connection's task ends once its sides have.
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, client_reader, client):
        self.accepted += 1
        try:
            server_reader, server = await asyncio.open_connection(*self._target)
        except OSError:
            client.transport.abort()
            return
        link = Link(client, server, self._next_cuts.pop(0) if self._next_cuts else None)
        self._links.add(link)
        up = asyncio.create_task(self._pass_on(link, client_reader, server, False))
        down = asyncio.create_task(self._pass_on(link, server_reader, client, True))
        try:
            await asyncio.wait({up, down}, return_when=asyncio.FIRST_COMPLETED)
            # The client of a half-open connection is left waiting until it goes by itself.
            if link.left_open:
                await asyncio.wait({up})
        finally:
            self._links.discard(link)
            for task in (up, down):
                task.cancel()
            await asyncio.gather(up, down, return_exceptions=True)
            link.close()

    async def _pass_on(self, link, reader, writer, from_server):
        """Until either side ends."""
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK_BYTES):
                await link.passable.wait()
                await self._hold_up(len(chunk))
                if link.left_open:
                    continue
                if from_server and link.cut_after is not None:
                    if len(chunk) >= link.cut_after:
                        await self._cut_amid(link, chunk[: link.cut_after])
                        return
                    link.cut_after -= len(chunk)
                writer.write(chunk)
                await writer.drain()

    async def _hold_up(self, size):
        held = self.delay_s + (size / self.bytes_per_s if self.bytes_per_s else 0.0)
        if held > 0:
            await asyncio.sleep(held)

    async def _cut_amid(self, link, last):
        """The client gets these bytes and then an end that is none of TLS."""
        self.cuts += 1
        link.client.write(last)
        await link.client.drain()
        link.client.close()
        await link.client.wait_closed()
