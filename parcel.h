/* parcel.h - what a client's bytes make of a run (argv, environment, cwd, files), packed in a pipe or a sealed memfd
 *
 * Made by the front, opened by pid 1 of the sandbox; the launcher hands it on unopened. A small one lies in a pipe, which costs a
 * third of a memfd; once it is there it cannot be changed either. Layout, in host byte order: struct
 * parcel_head, then argv, environment and cwd as NUL-terminated strings in a row, then each file as struct parcel_file, its
 * path with a NUL, its content; then the copy_out paths, each with a NUL. */
#ifndef PARCEL_H
#define PARCEL_H

#include "buf.h"

enum {
	PARCEL_STRINGS_MAX = 65536,	/* argv, environment, files, copy_out: each */
	PARCEL_SMALL = 4096,		/* PIPE_BUF: goes into a pipe in one piece */
	PARCEL_SMALL_STRINGS = 128,
};

struct parcel_head {
	uint32_t magic, argc, envc, files, copies, reserved;
};

struct parcel_file {
	uint64_t size;
	uint32_t mode;		/* permission bits */
	uint32_t path_len;	/* without the NUL that follows the path */
};

/* Packing: in this order, into a buffer whose first bytes parcel_begin reserves. Sizes and NULs are the caller's to have
 * checked: a NUL in a string would end it early. Failure is kept in buf->failed. */
void parcel_begin(struct buf *buf);
void parcel_arg(struct buf *buf, struct str text);
void parcel_env(struct buf *buf, struct str name, struct str value);
void parcel_cwd(struct buf *buf, struct str path);
void parcel_file(struct buf *buf, struct str path, uint32_t mode, struct str content);
void parcel_copy(struct buf *buf, struct str path);
/* Puts the content into a new memfd, sealed against every change: the descriptor, or -errno. */
int parcel_seal(const char *name, struct str content);

/* Puts a parcel where pid 1 can read it: a descriptor, or -errno. `name` is for what is large. */
int parcel_post(const char *name, struct str content);

/* Opened, in the sandbox: everything points into the mapping, or into the bytes kept here: it must not be copied. */
struct parcel {
	struct parcel_head head;
	char **argv, **envp;		/* each ended by NULL */
	const char *cwd;
	struct str files, copies;	/* the packed rest, for parcel_next_* */
	void *map, *strings;		/* for parcel_close; NULL: not needed */
	size_t map_size, strings_size;
	size_t small_len;		/* of what was read */
	char small[PARCEL_SMALL];
	char *small_strings[PARCEL_SMALL_STRINGS];
};

/* Reads or maps, and checks, all of it. No malloc: fit for pid 1. 0 or -errno; -EBADMSG: not a parcel. */
int parcel_open(struct parcel *parcel, int fd);
/* Gives the mappings back, wipes what was read: nothing of this parcel is in memory any more. */
void parcel_close(struct parcel *parcel);
/* Takes the next file or path off the rest: false at the end. Paths are NUL-terminated. */
bool parcel_next_file(struct str *files, const char **path, uint32_t *mode, struct str *content);
bool parcel_next_copy(struct str *copies, const char **path);

#endif
