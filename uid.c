/* uid.c - takes a block of host uids for this launcher's sandboxes
 *
 * The range 0x70000000 to 0x7fffffff is used by no distribution, nor by systemd's containers (which end at
 * 0x6fffffff: systemd.io/UIDS-GIDS). It is divided into blocks. A block is taken by binding a loopback address and an abstract name
 * that are made of its first uid: the kernel gives both back when the holder dies, and nothing is left behind. The address has a
 * port that root alone may bind, so that nobody else can keep launchers from their blocks. The name tells of those that may not
 * bind it, and stands for the block where they have no IPv4, or not the right. In a container whose user namespace has fewer ids, the
 * blocks are smaller and at the upper end of what there is. */
#include "uid.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"

enum { TRIES = 64, MAP_MAX = 65536, PORT = 4 /* IANA has given it to nobody */ };

struct layout {
	uint64_t first;
	uint32_t blocks, size, slots, sessions;
};

static const struct layout roomy = { 0x70000000, 8192, 32768, 4096, 24576 };
static const struct layout narrow = { 0, 0, 2048, 512, 1024 };

static int
read_map(struct buf *map)
{
	buf_init(map, MAP_MAX);
	int fd = open("/proc/self/uid_map", O_RDONLY | O_CLOEXEC);
	int error = fd < 0 ? -errno : buf_read(map, fd);
	if (fd >= 0)
		close(fd);
	return error;
}

/* Which ids exist in our user namespace: enough for the roomy layout, or the largest range. */
static int
choose_layout(struct layout *layout)
{
	uint64_t best = 0, best_first = 0;
	struct buf map;

	*layout = roomy;
	if (read_map(&map)) {
		buf_free(&map);
		return 0;		/* no user namespaces in this kernel, or no /proc: all ids exist */
	}
	for (const char *at = map.data; *at; at += *at == '\n') {
		/* first id inside, first id outside, how many (user_namespaces(7)) */
		uint64_t inside = text_number(&at);
		(void)text_number(&at);
		uint64_t count = text_number(&at);
		if (inside <= roomy.first && inside + count >= 0x80000000u) {
			buf_free(&map);
			return 0;
		}
		if (count > best) {
			best = count;
			best_first = inside;
		}
		at += strcspn(at, "\n");
	}
	buf_free(&map);
	*layout = narrow;
	if (best < 2ull * narrow.size)
		return -ENOSPC;
	layout->blocks = (uint32_t)(best / narrow.size - 1);
	layout->first = best_first + best - (uint64_t)layout->blocks * narrow.size;
	return 0;
}

/* Binds a name, which is taken while the socket lives. It does not listen: nothing can be sent to it that would hold open files. */
static int
take_name(const void *name, socklen_t len)
{
	int fd = socket(*(const sa_family_t *)name, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (!bind(fd, name, len))
		return fd;
	int error = -errno;
	close(fd);
	return error;
}

/* Both names, unless root alone can have taken the port, and somebody keeps the other from us: then the port is enough. */
static int
lock_block(struct uid_block *block, uint64_t first, bool port_is_enough)
{
	const struct sockaddr_in port = { .sin_family = AF_INET, .sin_port = htons(PORT),
		.sin_addr = { htonl((IN_LOOPBACKNET << IN_CLASSA_NSHIFT) | (uint32_t)(first >> 8)) } };
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	int lock = take_name(&port, sizeof(port));
	if (lock == -EADDRINUSE)
		return lock;
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "opensandbox-uids-%llu",
	    (unsigned long long)first);
	int second = take_name(&name, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n));
	if (second < 0 && (lock < 0 || !port_is_enough || second != -EADDRINUSE)) {
		if (lock >= 0)
			close(lock);
		return second;
	}
	block->locks[0] = lock;
	block->locks[1] = second;
	return 0;
}

/* splitmix64: spreads keys over the blocks. */
static uint64_t
mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void
fill_block(struct uid_block *block, const struct layout *layout, uint32_t number)
{
	uint64_t first = layout->first + (uint64_t)number * layout->size;

	block->init = (uid_t)first;
	block->user = (uid_t)(first + layout->slots);
	block->session = (uid_t)(first + 2 * (uint64_t)layout->slots);
	block->slots = layout->slots;
	block->sessions = layout->sessions;
	block->number = number;
}

int
uid_block_open(struct uid_block *block, uint64_t key, const uint32_t *wanted)
{
	struct layout layout;
	uint64_t start = key;

	memset(block, 0, sizeof(*block));
	block->locks[0] = block->locks[1] = -1;
	if (geteuid() != 0 || choose_layout(&layout)) {
		block->one = true;
		block->init = block->user = block->session = geteuid();
		block->slots = roomy.slots;
		block->sessions = roomy.sessions;
		return 0;
	}
	if (!key && getrandom(&start, sizeof(start), 0) != (ssize_t)sizeof(start))
		return -EIO;
	/* State directories have the lower half, so that no passer-by takes the block of sessions that wait for a restart. */
	uint32_t half = layout.blocks / 2 ? layout.blocks / 2 : 1;
	uint32_t base = key || layout.blocks < 2 ? 0 : half;
	for (uint32_t i = 0; i < 2 * TRIES; i++) {
		uint32_t number = wanted ? *wanted : base + (uint32_t)((mix(start) + i) % half);
		if (number >= layout.blocks)
			return -EADDRINUSE;
		int error = lock_block(block, layout.first + (uint64_t)number * layout.size, wanted || i >= TRIES);
		if (!error)
			fill_block(block, &layout, number);
		if (error != -EADDRINUSE || wanted)
			return error;
	}
	return -EADDRINUSE;
}

void
uid_block_close(struct uid_block *block)
{
	for (int i = 0; i < 2; i++) {
		if (block->locks[i] >= 0)
			close(block->locks[i]);
		block->locks[i] = -1;
	}
}
