import { defineErrors } from '@kithmesh/core'

/** Why a NAT lab cannot be made or used. */
export const natlabErrors = defineErrors({
  ERR_NATLAB_UNSUPPORTED: {
    when: 'This machine or user cannot make network namespaces.',
    hint: 'The lab needs Linux and root (or a container with NET_ADMIN and SYS_ADMIN): run it with sudo.'
  },
  ERR_NATLAB_PROGRAMS: {
    when: 'Programs that the lab is made of are not installed.',
    hint: 'On Debian: apt-get install nftables iproute2 conntrack util-linux, and coturn and mosquitto for the servers.'
  },
  ERR_NATLAB_COMMAND: {
    when: 'A command that builds or changes the lab failed.',
    hint: 'Look at `details.output`. A kernel without nf_tables NAT, veth or bridges cannot carry the lab.'
  },
  ERR_NATLAB_LATENCY: {
    when: 'Latency or loss was asked for, and neither the kernel nor a program here can produce it.',
    hint: 'Install python3 for the user-space delay, use a kernel with sch_netem, or make the lab without latency and loss.'
  },
  ERR_NATLAB_SERVER: {
    when: 'A server of the lab ended, or did not listen in time.',
    hint: 'Look at `details.output`: what the server wrote last.'
  },
  ERR_NATLAB_DISPOSED: {
    when: 'The lab is used after it was disposed.',
    hint: 'Make a new one; a lab does not come back.'
  }
})
