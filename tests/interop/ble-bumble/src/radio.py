"""One bumble device on a foreign controller."""

from bumble import hci
from bumble.device import Device
from bumble.transport import open_transport


class Radio:
    def __init__(self, tell):
        self.tell = tell
        self.device = None
        self.own_address_type = None

    async def open(self, transport, name, address=None):
        """Takes a controller into use: `tcp-client:127.0.0.1:7300`. With an address, it is a static random one; without, the controller's."""
        self.transport = await open_transport(transport)
        self.device = Device.with_hci(name, hci.Address(address or 'F0:00:00:00:00:00'), self.transport.source, self.transport.sink)
        self.own_address_type = hci.OwnAddressType.RANDOM if address else hci.OwnAddressType.PUBLIC
        self.device.on('connection', self._on_connection)
        await self.device.power_on()
        return {
            'publicAddress': plain(self.device.public_address),
            'randomAddress': plain(self.device.random_address),
            'aclBytes': self.device.host.le_acl_packet_queue.max_packet_size,
        }

    def connection(self, id):
        for connection in self.device.connections.values():
            if plain(connection.peer_address) == id:
                return connection
        raise LookupError(f'no connection to {id}')

    def _on_connection(self, connection):
        id = plain(connection.peer_address)
        self.tell('connected', id=id, addressType='random' if connection.peer_address.is_random else 'public', role=connection.role.name.lower())
        connection.on('disconnection', lambda reason: self.tell('disconnected', id=id, reason=reason))

    async def links(self):
        return [plain(connection.peer_address) for connection in self.device.connections.values()]

    async def disconnect(self, id):
        await self.connection(id).disconnect()

    async def sendPdu(self, id, cid, pdu):
        """Sends any bytes as one PDU of a fixed channel."""
        self.device.send_l2cap_pdu(self.connection(id).handle, cid, bytes.fromhex(pdu))


def plain(address):
    """An address as twelve hex digits, most significant first."""
    return address.to_string(False).replace(':', '').lower()
