/* files.h - file operations done inside a sandbox, as its user: nothing privileged follows a path of a payload's
 *
 * These functions run in a process that is already confined like a command. What they say is an errno, which becomes the
 * exit code of the process. Paths are resolved there and then, as a program's would be: a link leads where the
 * payload could have gone anyway. */
#ifndef FILES_H
#define FILES_H

#include "parcel.h"

/* What a GET or STAT writes before the content. Host byte order; one machine. */
enum files_kind { FILES_REGULAR, FILES_DIRECTORY, FILES_OTHER };

struct files_head {
	uint32_t kind, mode;
	uint64_t size, modified_ms;
};

/* An entry of a listing: then name_len bytes of name. The list ends with the stream. */
struct files_entry {
	uint64_t size, modified_ms;
	uint32_t mode, name_len;
	char type;		/* f d l p s c b, as find(1)'s -type */
	char reserved[7];
};

/* What copy_out writes for each path: then size bytes of content. A file of more than 32 KB that shrinks while it is
 * copied is filled up with zeros: the framing holds. */
struct files_copy {
	uint32_t error;		/* errno; 0 */
	uint32_t truncated;
	uint64_t size;
};

/* Writes the parcel's files, parents made. 0 or errno; *path is the one that failed. */
int files_write(const struct parcel *parcel, const char **path);
/* Writes what the parcel's copy_out paths hold, each up to most bytes, to fd. */
int files_copy_out(const struct parcel *parcel, int fd, uint64_t most);
/* OPERATION_PUT: argv[0] the path, argv[1] the mode in octal (up to 777; empty: 0644); content from descriptor 0 to its end;
 * atomically, by a new file that is linked or renamed. argv[2], where not empty, is the length that must have come, else
 * ECONNABORTED and all is as before; else argv[3], a mark of at most 64 bytes, must be the last that comes (it is not part of the
 * file): who dies before he has sent all closes the pipe as well. With neither, the end of the stream is the end of the file. Once the
 * file is there, '1' (there was one) or '0' (it is new) is
 * written to descriptor 1. EISDIR, EEXIST: a directory, something else that is no file, is in its place.
 * OPERATION_GET: argv[0] the path, argv[1], argv[2] offset and length in decimal (empty: all); to descriptor 1, files_head
 * first, which has the whole size, then what there is of the range, or the entries. ESTALE: the file has shrunk, and
 * less than that was written. EBUSY: it is under another process's lease.
 * OPERATION_STAT: files_head alone.
 * OPERATION_DELETE: a file or a whole tree, in O(1) descriptors. The first name that cannot be removed ends it. EBUSY:
 * the root, or a mount point; EINVAL: "", "." or ".."; ENOTEMPTY: others keep filling it.
 * OPERATION_CHECK_CWD: argv[0] is a directory that can be entered. Each returns an errno, or 0. */
int files_operate(uint32_t operation, const struct parcel *parcel);

#endif
