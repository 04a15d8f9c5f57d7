"""The side that looks for others."""

import asyncio

from bumble import hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Peer

from radio import plain


class Central:
    def __init__(self, radio, tell):
        self.radio = radio
        self.tell = tell
        self.peers = {}

    async def scan(self, service, milliseconds):
        """Resolves with the first complete advertisement of the service: of a device that answers scan requests, with its scan response."""
        device = self.radio.device
        found = asyncio.get_running_loop().create_future()

        def on_advertisement(advertisement):
            services = [
                uuid
                for kind in (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS)
                for listed in advertisement.data.get_all(kind)
                for uuid in listed
            ]
            if UUID(service) not in services or found.done():
                return
            name = advertisement.data.get(AdvertisingData.COMPLETE_LOCAL_NAME)
            manufacturer = advertisement.data.get(AdvertisingData.MANUFACTURER_SPECIFIC_DATA)
            found.set_result(
                {
                    'id': plain(advertisement.address),
                    'addressType': 'random' if advertisement.address.is_random else 'public',
                    'connectable': advertisement.is_connectable,
                    'rssi': advertisement.rssi,
                    'name': name,
                    'flags': advertisement.data.get(AdvertisingData.FLAGS),
                    'manufacturer': manufacturer and [manufacturer[0], bytes(manufacturer[1]).hex()],
                }
            )

        device.on('advertisement', on_advertisement)
        await device.start_scanning(own_address_type=self.radio.own_address_type, scan_interval=20, scan_window=20)
        try:
            return await asyncio.wait_for(found, milliseconds / 1000)
        finally:
            device.remove_listener('advertisement', on_advertisement)
            await device.stop_scanning()

    async def connect(self, id, addressType, milliseconds, mtu=None):
        """Connects, exchanges the ATT MTU when one is given, and finds all services and characteristics. Resolves with the MTU in use."""
        digits = ':'.join(id[index : index + 2] for index in range(0, 12, 2))
        kind = hci.Address.RANDOM_DEVICE_ADDRESS if addressType == 'random' else hci.Address.PUBLIC_DEVICE_ADDRESS
        connection = await self.radio.device.connect_le(
            hci.Address(digits, kind), own_address_type=self.radio.own_address_type, timeout=milliseconds / 1000
        )
        peer = Peer(connection)
        self.peers[id] = peer
        if mtu is not None:
            await peer.request_mtu(mtu)
        await peer.discover_services()
        await peer.discover_characteristics()
        return {'mtu': connection.att_mtu}

    async def services(self, id):
        """What there is: `{service: {characteristic: properties}}`."""
        return {
            full(service.uuid): {full(one.uuid): str(one.properties).split('|') for one in service.characteristics}
            for service in self.peers[id].services
        }

    async def read(self, id, characteristic):
        return (await self._characteristic(id, characteristic).read_value()).hex()

    async def subscribe(self, id, characteristic):
        """Notifications are told as events."""
        await self._characteristic(id, characteristic).subscribe(
            lambda value: self.tell('notification', id=id, characteristic=characteristic, value=bytes(value).hex())
        )

    async def write(self, id, characteristic, value, response=False):
        await self._characteristic(id, characteristic).write_value(bytes.fromhex(value), with_response=response)

    def _characteristic(self, id, characteristic):
        for found in self.peers[id].get_characteristics_by_uuid(UUID(characteristic)):
            return found
        raise LookupError(f'no characteristic {characteristic}')


def full(uuid):
    """With dashes and all digits, lowercase."""
    digits = bytes(reversed(uuid.to_bytes(force_128=True))).hex()
    return '-'.join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
