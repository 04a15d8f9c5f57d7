/**
 * A line with delay and loss, for kernels without netem: joins pairs of interfaces as a cable would, and passes frames on later or never.
 * Python, because Node has no packet sockets. Arguments: milliseconds, percent, then the names of the interfaces in pairs.
 *
 * veth leaves checksums and segmentation to a card that does not exist; PACKET_VNET_HDR hands that state over with each frame (packet(7),
 * virtio 1.2 §5.1.6), so that it need not be switched off.
 */
export const LINE_PROGRAM = `
import collections, random, select, socket, sys, time
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING, ETH_P_ALL = 263, 15, 23, 3
LIMIT = 20000
delay, loss, names = float(sys.argv[1]) / 1000, float(sys.argv[2]) / 100, sys.argv[3:]
def port(name):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    end.setsockopt(socket.SOL_SOCKET, 33, 8 << 20)
    end.bind((name, ETH_P_ALL))
    end.setblocking(False)
    return end
ends = [port(name) for name in names]
other = {end.fileno(): ends[index ^ 1] for index, end in enumerate(ends)}
by_number = {end.fileno(): end for end in ends}
poll = select.epoll()
for end in ends:
    poll.register(end.fileno(), select.EPOLLIN)
waiting = collections.deque()
print('ready', flush=True)
while True:
    now = time.monotonic()
    while waiting and waiting[0][0] <= now:
        _, target, frame = waiting.popleft()
        try:
            target.send(frame)
        except OSError:
            pass
    left = max(0, waiting[0][0] - time.monotonic()) if waiting else -1
    for number, _ in poll.poll(left):
        source = by_number[number]
        due = time.monotonic() + delay
        for _ in range(64):
            try:
                frame = source.recv(70000)
            except BlockingIOError:
                break
            except OSError:
                break
            if len(waiting) < LIMIT and random.random() >= loss:
                waiting.append((due, other[number], frame))
`
