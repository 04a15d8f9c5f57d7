"""Bumble's own controllers on one link, each behind a port that speaks H4."""

import asyncio
import socket

from bumble import hci
from bumble.controller import Controller
from bumble.link import LocalLink
from bumble.transport.tcp_server import open_tcp_server_transport_with_socket


class Link(LocalLink):
    def send_acl_data(self, sender_controller, destination_address, transport, data):
        """Delivers under the address that the connection has here. Bumble's own takes the random address, also where the public one is in use."""
        source = sender_controller.le_connections[destination_address].self_address
        destination = self.find_le_controller(destination_address)
        if destination is not None:
            asyncio.get_running_loop().call_soon(destination.on_link_acl_data, source, transport, data)


class Controllers:
    async def controllers(self, addresses):
        """Starts a controller with each public address (twelve hex digits). Resolves with their ports."""
        link = Link()
        return {'ports': [await self._start(link, address) for address in addresses]}

    async def _start(self, link, digits):
        listener = socket.create_server(('127.0.0.1', 0))
        transport = await open_tcp_server_transport_with_socket(listener)
        address = hci.Address(':'.join(digits[index : index + 2] for index in range(0, 12, 2)), hci.Address.PUBLIC_DEVICE_ADDRESS)
        controller = Controller(digits, transport.source, transport.sink, link, address)
        # With the feature, hosts that scan in the old way are sent reports of the new kind.
        controller.le_features &= ~hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
        # LE Set PHY is never answered, and a host must not send a further command before it is.
        controller.le_features &= ~(hci.LeFeatureMask.LE_2M_PHY | hci.LeFeatureMask.LE_CODED_PHY)
        return listener.getsockname()[1]
