/* http_parse.h - the syntax of HTTP/1.1: heads and chunks, as their bytes come, without a socket
 *
 * Both readers look at every byte once and in order, so what they answer does not depend on how the
 * bytes were cut into packets. They allocate nothing. */
#ifndef HTTP_PARSE_H
#define HTTP_PARSE_H

#include "http.h"

enum {
	HTTP_LINE_MAX = 16384,		/* bytes of a request line: 414 */
	HTTP_CHUNK_LINE_MAX = 256,	/* bytes of a chunk's size and its extensions */
	HTTP_TRAILERS_MAX = 8192,	/* bytes of all trailer fields: 431 */
};

enum http_head_state { HTTP_HEAD_MORE, HTTP_HEAD_WHOLE, HTTP_HEAD_BAD };

/* A head that is being read. All zero is its beginning. */
struct http_head {
	struct http_request request;	/* points into the bytes that were given last */
	size_t at;			/* bytes looked at; of a whole head, its length */
	size_t line;			/* where the line that is being read begins */
	uintptr_t base;			/* where the bytes were in memory */
	struct str authority;		/* of an absolute-form target */
	size_t hosts;
	bool after_cr, empty_line, request_line;
	bool http_1_0, chunked, close, keep_alive, expect_continue;
	int status;			/* of a bad head */
	const char *reason;
};

/* Reads on: `bytes` begins with the head's first byte and has at least what it had last time. It
 * may have moved. At most `max` bytes are a head. Once a head is whole or bad, it is not to be read
 * again. */
enum http_head_state http_head_read(struct http_head *head, struct str bytes, size_t max);

enum http_chunk_state {
	HTTP_CHUNK_SIZE_FIRST, HTTP_CHUNK_SIZE, HTTP_CHUNK_EXTENSION, HTTP_CHUNK_SIZE_LF,
	    HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR, HTTP_CHUNK_DATA_LF, HTTP_CHUNK_TRAILER_FIRST, HTTP_CHUNK_TRAILER_NAME,
	HTTP_CHUNK_TRAILER_VALUE, HTTP_CHUNK_TRAILER_LF, HTTP_CHUNK_LAST_LF, HTTP_CHUNK_END,
};

/* A chunked body that is being read. All zero is its beginning. */
struct http_chunks {
	enum http_chunk_state state;
	uint64_t left;			/* in state DATA: bytes of data that come next */
	size_t line, trailer_bytes, trailers;
	int status;			/* of a bad body */
	const char *reason;
};

/* Reads what is between the data, up to the next data (state DATA), the end of the body (state END)
 * or the end of the bytes. Returns how many it took, or -1. Not to be called in state DATA. */
int64_t http_chunks_read(struct http_chunks *chunks, struct str bytes);
/* n bytes of data (n <= left) have been taken. */
void http_chunks_take(struct http_chunks *chunks, uint64_t n);

#endif
