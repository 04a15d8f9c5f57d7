"""L2CAP channels: those opened, those accepted, and what is done with them."""

import asyncio
import hashlib
import time

from bumble.l2cap import LeCreditBasedChannelSpec


class Channels:
    def __init__(self, radio, tell):
        self.radio = radio
        self.tell = tell
        self.channels = {}
        self.use = None
        self.bridges = []

    async def openChannel(self, id, psm, mtu=2048, mps=2048, credits=256):
        """Opens one on the connection to a device. Fails with the result of the response as its code."""
        spec = LeCreditBasedChannelSpec(psm=psm, mtu=mtu, mps=mps, max_credits=credits)
        return self._describe(self._add(await self.radio.connection(id).create_l2cap_channel(spec)))

    async def echo(self, channel, seed, bytes):
        """Sends so many bytes and waits for as many. Resolves with both hashes."""
        opened = self.channels[channel]
        sent, received = stream(seed, bytes), hashlib.sha256()
        returned = asyncio.get_running_loop().create_future()
        missing = bytes

        def on_data(data):
            nonlocal missing
            received.update(data)
            missing -= len(data)
            if missing <= 0 and not returned.done():
                returned.set_result(None)

        opened.sink = on_data
        opened.once('close', lambda: returned.done() or returned.set_exception(ConnectionError(f'closed, {missing} bytes missing')))
        begun = time.monotonic()
        for start in range(0, bytes, 8192):
            opened.write(sent[start : start + 8192])
            await opened.drain()
        await returned
        return {
            'sent': hashlib.sha256(sent).hexdigest(),
            'received': received.hexdigest(),
            'surplus': -missing,
            'milliseconds': (time.monotonic() - begun) * 1000,
        }

    async def useChannels(self, how, port=None):
        """What becomes of channels that are accepted from now on: `echo`, `bridge` to a port of the loopback interface, or `count`."""
        self.use = (how, port)

    async def bridge(self, id, psm, port=0):
        """Listens on the loopback interface; each connection there becomes a channel to the device. Resolves with the port."""

        async def on_connection(reader, writer):
            try:
                spec = LeCreditBasedChannelSpec(psm=psm, mtu=2048, mps=2048, max_credits=256)
                channel = self._add(await self.radio.connection(id).create_l2cap_channel(spec))
            except Exception as error:
                self.tell('bridgeFailed', failure=f'{type(error).__name__}: {error}')
                writer.close()
                return
            await join(channel, reader, writer)

        server = await asyncio.start_server(on_connection, '127.0.0.1', port)
        self.bridges.append(server)
        return {'port': server.sockets[0].getsockname()[1]}

    async def listen(self, psm=None):
        """Accepts channels without publishing anything. Resolves with the PSM, a free one when none is given."""
        return {'psm': self.serve(psm, 2048, 2048, 256)}

    def serve(self, psm, mtu, mps, credits):
        spec = LeCreditBasedChannelSpec(psm=psm, mtu=mtu, mps=mps, max_credits=credits)
        return self.radio.device.create_l2cap_server(spec, self.accepted).psm

    async def closeChannel(self, channel):
        await self.channels[channel].disconnect()

    def accepted(self, channel):
        how, port = self.use or ('ignore', None)
        self._add(channel)
        if how == 'echo':
            channel.sink = channel.write
        elif how == 'bridge':
            early = []
            channel.sink = early.append
            asyncio.get_running_loop().create_task(self._bridge_out(channel, port, early))
        self.tell('channel', **self._describe(channel))

    async def _bridge_out(self, channel, port, early):
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        for data in early:
            writer.write(data)
        await join(channel, reader, writer)

    def _add(self, channel):
        number = len(self.channels) + 1
        self.channels[number] = channel
        channel.number = number
        channel.once('close', lambda: self.tell('channelClosed', channel=number))
        return channel

    def _describe(self, channel):
        return {
            'channel': channel.number,
            'psm': channel.psm,
            'mtu': channel.peer_mtu,
            'mps': channel.peer_mps,
            'credits': channel.credits,
        }


async def join(channel, reader, writer):
    """Carries bytes both ways until either side ends."""
    channel.sink = writer.write
    channel.once('close', writer.close)
    try:
        while data := await reader.read(4096):
            channel.write(data)
            await channel.drain()
    except ConnectionError:
        pass
    if channel.state == channel.State.CONNECTED:
        await channel.disconnect()
    writer.close()


def stream(seed, bytes):
    """So many bytes that depend on the seed alone: SHA-256 of `<seed>:<block>`, one block after the other."""
    blocks = (hashlib.sha256(f'{seed}:{block}'.encode()).digest() for block in range((bytes + 31) // 32))
    return b''.join(blocks)[:bytes]
