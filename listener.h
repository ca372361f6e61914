/* listener.h - the sockets that the server listens on */
#ifndef LISTENER_H
#define LISTENER_H

#include "options.h"

enum { LISTENERS_MAX = 16 };

struct listeners {
	int fds[LISTENERS_MAX];
	bool is_unix[LISTENERS_MAX];
	bool beyond_loopback;		/* one of them can be reached from elsewhere */
	size_t len;
	/* Of unix sockets that were made here, to be removed at the end: by then the launcher has no path to them. */
	char names[LISTENERS_MAX][108];
	int dirs[LISTENERS_MAX];
};

/* Opens what the options ask for, or takes what systemd passes (LISTEN_FDS, sd_listen_fds(3)). 0; or -1 after one line on stderr. */
int listeners_open(struct listeners *listeners, const struct options *options);
/* "opensandbox: listening on http://127.0.0.1:8080", one line each, on stderr. */
void listeners_say(const struct listeners *listeners);
/* Closes the sockets; the names of unix sockets stay. */
void listeners_close(struct listeners *listeners);
/* Removes those. */
void listeners_remove(struct listeners *listeners);

#endif
