/* trace.h - whether a run has left a trace in its sandbox: only one that provably has not may serve again
 *
 * Runs in pid 1. trace_open() notes how the sandbox is when it is new; trace_clean() says whether it is still like that. Each thing
 * that a command could leave for the next one is either gone with its last process, or shows here, or in what pid 1 is told by the
 * watched filter (docs/design.md has the list, and why each is proof):
 *
 *	files		every directory that the user can write to keeps its ctime, which no program can set; and the
 *			file systems' used blocks and inodes are the same
 *	processes	pid 1 has no child; no pid was given out but the command's
 *	POSIX queues	the directory of /dev/mqueue keeps its ctime
 *	terminals	the times of /dev/pts/ptmx
 *	network, SysV ipc	the filter tells of the first call: such a sandbox serves once
 *	/proc		the launcher drops what was looked up (when an entry was first looked up is its time)
 */
#ifndef TRACE_H
#define TRACE_H

#include <stdbool.h>
#include <sys/types.h>

struct trace;

/* Whether the times of files have no steps below this directory, one of whose own is at `path` and may be changed: Linux 6.13
 * gives a change that comes after somebody has looked a time of its own, later than what was seen. */
bool trace_times_are_fine(int at, const char *path);
/* Memory of its own is not taken: *trace is static in pid 1. NULL where this kernel does not show what is needed: such a sandbox
 * serves once. */
struct trace *trace_open(bool fine);
/* Called when an order has come, before the command starts: false when the clock that times are taken from has not moved on since
 * the last change of a directory, so that a further change might not show. */
bool trace_begin(struct trace *trace);
/* The command has ended, its pid was `command`. */
bool trace_clean(struct trace *trace, pid_t command);

#endif
