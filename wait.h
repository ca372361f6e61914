/* wait.h - one poll set for the whole process, its deadline, and the only clock that is read */
#ifndef WAIT_H
#define WAIT_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WAIT_NONE = -1 };

/* One round of the loop: modules add descriptors and deadlines, wait_poll() waits, modules look at
 * what happened by the index they were given. The array is kept from round to round, so that no
 * round allocates unless it is the largest so far. */
struct wait {
	struct pollfd *fds;
	size_t len, size;
	int64_t deadline;	/* ns on CLOCK_MONOTONIC; INT64_MAX: none */
	int64_t now;		/* ns: set by wait_begin and again after the poll */
};

/* CLOCK_MONOTONIC in ns, and CLOCK_REALTIME in ms since 1970. */
int64_t wait_clock(void);
int64_t wait_wall_clock_ms(void);

void wait_open(struct wait *wait);
void wait_close(struct wait *wait);
/* Starts a round: empties the set, forgets the deadline, reads the clock. */
void wait_begin(struct wait *wait);
/* Adds a descriptor (fd < 0: nothing is added). Returns its index for wait_ready, or WAIT_NONE;
 * when there is no memory for it, WAIT_NONE too, and the round's deadline becomes now + 10 ms so
 * that the caller is asked again. */
int wait_add(struct wait *wait, int fd, short events);
/* The round ends at this time at the latest. */
void wait_until(struct wait *wait, int64_t deadline_ns);
/* ppoll(2), which does not round the deadline to ms. 0 or -errno; EINTR, and ENOMEM for the moment, are 0 with nothing ready. */
int wait_poll(struct wait *wait);
/* revents of an index; 0 for WAIT_NONE. */
short wait_ready(const struct wait *wait, int index);

/* Waits until a child has ended: its status. */
int wait_child(pid_t pid);

#endif
