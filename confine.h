/* confine.h - takes from a front process all that it does not need to move bytes */
#ifndef CONFINE_H
#define CONFINE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "root.h"

/* After this: an unprivileged uid, no capability in any set, no_new_privs, an empty directory as root, no new processes, not
 * dumpable, and a filter that leaves what a poll loop needs. `privileged`: false in a rootless process, which has no
 * other uid to go to. 0 or -errno, with fault->step. */
int confine_front(uid_t uid, bool privileged, struct root_fault *fault);

/* Closes all but 0 to 2 and the `len` of `keep` (in any order; -1: none): what the launcher has open is not for a front. */
void confine_descriptors(const int *keep, size_t len);

#endif
