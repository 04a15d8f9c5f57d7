"""A device that knows only the two characteristics of the protocol's description: no tag, no stream characteristic."""

import struct

from bumble.core import UUID, AdvertisingData
from bumble.gatt import Characteristic, CharacteristicValue, Service

PORT = 'abdd3056-28fa-441d-a470-55a75a52553a'
METADATA = '936d7669-e532-42bf-8b8d-97e3c1073f74'


class Peripheral:
    def __init__(self, radio, channels, tell):
        self.radio = radio
        self.channels = channels
        self.tell = tell
        self.metadata = b''
        self.characteristic = None

    async def publish(self, service, name, metadata, psm=None, mtu=2048, mps=2048, credits=256, interval=100):
        """Serves and advertises. Channels to the PSM, which is a free one when none is given, become events. Resolves with the PSM."""
        device = self.radio.device
        psm = self.channels.serve(psm, mtu, mps, credits)
        self.metadata = bytes.fromhex(metadata)
        readable = Characteristic.Properties.READ
        port = Characteristic(PORT, readable, Characteristic.READABLE, struct.pack('<H', psm))
        self.characteristic = Characteristic(
            METADATA,
            readable | Characteristic.Properties.NOTIFY,
            Characteristic.READABLE,
            CharacteristicValue(read=lambda _connection: self.metadata),
        )
        self.characteristic.on('subscription', lambda *details: self.tell('subscription', notify=bool(details[-2])))
        device.add_service(Service(service, [port, self.characteristic]))
        await device.start_advertising(
            own_address_type=self.radio.own_address_type,
            auto_restart=True,
            advertising_interval_min=interval,
            advertising_interval_max=interval,
            advertising_data=bytes(
                AdvertisingData(
                    [
                        (AdvertisingData.FLAGS, bytes([0x06])),
                        (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, UUID(service).to_bytes()),
                    ]
                )
            ),
            scan_response_data=bytes(AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, name.encode())])),
        )
        return {'psm': psm}

    async def updateMetadata(self, metadata):
        self.metadata = bytes.fromhex(metadata)
        await self.radio.device.notify_subscribers(self.characteristic)

    async def unpublish(self):
        await self.radio.device.stop_advertising()
