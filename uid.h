/* uid.h - which host uids a launcher's sandboxes use, so that no two sandboxes on the machine share one */
#ifndef UID_H
#define UID_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* A block of uids that belongs to one launcher as long as it holds `locks` (each a descriptor, or -errno). Slot i has init + i for its pid 1 and user + i for
 * its command; session k has session + k, which it keeps as long as it exists. */
struct uid_block {
	uid_t init, user, session;
	unsigned slots, sessions;
	uint32_t number;
	bool one;		/* no more than one uid can be had (rootless): all of the above are it */
	int locks[2];
};

/* Takes a block that is free. `key` 0: any, for as long as the process lives. Else the block follows from the key (the
 * identity of a state directory), so that sessions find their uids again after a restart; `wanted`, where not NULL, is the number
 * that the sessions found there have, and no other will do. 0; -EADDRINUSE: taken by another launcher; -errno. */
int uid_block_open(struct uid_block *block, uint64_t key, const uint32_t *wanted);
void uid_block_close(struct uid_block *block);

#endif
