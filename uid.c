/* uid.c - takes a block of host uids for this launcher's sandboxes
 *
 * The range 0x70000000 to 0x7fffffff is used by no distribution, nor by systemd's containers (which end at
 * 0x6fffffff: systemd.io/UIDS-GIDS). It is divided into blocks. A block is taken by binding an abstract socket named after it: the
 * kernel gives it back when the holder dies, and nothing is left behind. In a container whose user namespace has fewer ids, the
 * blocks are smaller and at the upper end of what there is. */
#include "uid.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"

enum { TRIES = 64, MAP_MAX = 65536 };

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

static int
lock_block(uint64_t first)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };

	/* Of a kind that nothing can be sent to while it does not listen: what is sent may hold open files. */
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	int n = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "opensandbox-uids-%llu",
	    (unsigned long long)first);
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
	if (bind(fd, (struct sockaddr *)&name, len)) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
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
fill_block(struct uid_block *block, const struct layout *layout, uint32_t number, int lock)
{
	uint64_t first = layout->first + (uint64_t)number * layout->size;

	block->init = (uid_t)first;
	block->user = (uid_t)(first + layout->slots);
	block->session = (uid_t)(first + 2 * (uint64_t)layout->slots);
	block->slots = layout->slots;
	block->sessions = layout->sessions;
	block->number = number;
	block->lock = lock;
}

int
uid_block_open(struct uid_block *block, uint64_t key, const uint32_t *wanted)
{
	struct layout layout;
	uint64_t start = key;

	memset(block, 0, sizeof(*block));
	block->lock = -1;
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
	for (uint32_t i = 0; i < TRIES; i++) {
		uint32_t number = wanted ? *wanted : base + (uint32_t)((mix(start) + i) % half);
		if (number >= layout.blocks)
			return -EADDRINUSE;
		int lock = lock_block(layout.first + (uint64_t)number * layout.size);
		if (lock >= 0) {
			fill_block(block, &layout, number, lock);
			return 0;
		}
		if (lock != -EADDRINUSE || wanted)
			return lock;
	}
	return -EADDRINUSE;
}

void
uid_block_close(struct uid_block *block)
{
	if (block->lock >= 0)
		close(block->lock);
	block->lock = -1;
}
