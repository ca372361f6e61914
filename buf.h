/* buf.h - bytes: a borrowed string, and a growing buffer with a hard maximum */
#ifndef BUF_H
#define BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Borrowed bytes, not NUL-terminated. Valid as long as what they point into. */
struct str {
	const char *data;
	size_t len;
};

#define STR(literal) ((struct str){ (literal), sizeof(literal) - 1 })

/* A string of C's. NULL becomes the empty string. */
struct str str_of(const char *text);
bool str_eq(struct str a, struct str b);
bool str_is(struct str a, const char *text);
/* ASCII case is ignored (field names of HTTP). */
bool str_is_nocase(struct str a, const char *text);
bool str_eq_nocase(struct str a, struct str b);
bool str_begins(struct str a, const char *prefix);
/* What is behind the first n bytes (n <= len). */
struct str str_skip(struct str a, size_t n);
/* What is before the first of these bytes, or all. */
struct str str_until(struct str a, const char *ends);
/* FNV-1a: no secret, so whoever chooses the text chooses the hash. */
uint64_t str_hash(struct str a);
bool byte_is_alnum(char c);
/* The value of a hexadecimal digit, or -1. */
int byte_hex(char c);
bool str_has_nul(struct str a);
/* A decimal number without sign, space or leading '+': 0, -EINVAL when it is none, -ERANGE when it
 * is above max. Leading zeros are allowed. */
int str_to_u64(struct str a, uint64_t max, uint64_t *value);
/* The decimal number that a text of C's goes on with behind spaces: *text moves behind it. 0 where
 * there is none, UINT64_MAX where it is more. For what the kernel writes. */
uint64_t text_number(const char **text);

/* The n-th of texts of C's that lie one behind the other: a pointer to each costs more. */
const char *text_at(const char *texts, size_t n);
/* The beginning of a file of the kernel's as a text of C's, by descriptor (from offset 0) or by name:
 * its length, at most size - 1, or -errno. */
int text_pread(int fd, char *text, size_t size);
int text_read(int dir, const char *name, char *text, size_t size);
/* Makes a file with a text of C's, or gives it to a file of the kernel's: 0 or -errno. */
int text_write(int dir, const char *name, const char *text);

/* Owned bytes. data[0..len) is content; size is what is allocated, never above max (0: unlimited is
 * not offered, a buffer always has a maximum). A failed append leaves the content as it was and
 * sets `failed`, so that a run of appends needs one check at its end; what is appended after it may
 * still fit. What is appended must not lie in the buffer itself. */
struct buf {
	char *data;
	size_t len, size, max;
	bool failed;
};

void buf_init(struct buf *buf, size_t max);
/* Gives the memory back; the buffer is as after buf_init with the same max. */
void buf_free(struct buf *buf);
/* Room for n more bytes: 0, -ENOSPC (maximum) or -ENOMEM. Growth is geometric. */
int buf_reserve(struct buf *buf, size_t n);
int buf_append(struct buf *buf, const void *data, size_t n);
int buf_append_str(struct buf *buf, struct str text);
int buf_puts(struct buf *buf, const char *text);
int buf_putc(struct buf *buf, char c);
int buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends all that a descriptor still gives, and a NUL that len does not count: 0 or -errno. */
int buf_read(struct buf *buf, int fd);
/* Drops n bytes from the front (n <= len). */
void buf_consume(struct buf *buf, size_t n);
struct str buf_str(const struct buf *buf);

/* Base64 (RFC 4648, section 4: padded, no line breaks). Both append to out. Decoding is strict: 0,
 * or -EINVAL for anything else than canonical padded base64; that leaves out as it was, and not
 * failed, because it is no fault of the buffer's. */
int buf_base64_encode(struct buf *out, struct str data);
int buf_base64_decode(struct buf *out, struct str text);

/* UTF-8 as RFC 3629 has it (no surrogates, nothing over U+10FFFF, no overlong forms): the length of
 * the valid sequence that text begins with (1 to 4), or 0. */
size_t utf8_sequence(struct str text);
bool utf8_valid(struct str text);

#endif
