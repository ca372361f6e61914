/* needs: buf.c */
/* Fuzzing of what strangers send: heads and chunked bodies, read at once and in pieces
 *
 * The first byte says how large the pieces are. Beside memory errors it is an error when the pieces
 * change what is read, or when a head that was taken breaks a promise of http.h. */
#include "../../http_parse.c"

#include <stdio.h>
#include <stdlib.h>

enum { HEAD_MAX = 8192 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* Reads a head from memory that moves with each piece. */
static enum http_head_state read_head(struct http_head *head, char **memory, struct str bytes,
    size_t piece)
{
	enum http_head_state state = HTTP_HEAD_MORE;
	size_t len = 0;

	*head = (struct http_head){ .at = 0 };
	*memory = NULL;
	while (state == HTTP_HEAD_MORE && len < bytes.len) {
		char *moved;

		len = piece < bytes.len - len ? len + piece : bytes.len;
		moved = malloc(len);
		must(moved != NULL);
		memcpy(moved, bytes.data, len);
		free(*memory);
		*memory = moved;
		state = http_head_read(head, (struct str){ moved, len }, HEAD_MAX);
	}
	return state;
}

/* Decodes a chunked body; returns how many bytes it took, or -1. */
static int64_t read_chunks(struct http_chunks *chunks, struct buf *body, struct str bytes,
    size_t piece)
{
	size_t at = 0, end = 0;
	int64_t n;

	*chunks = (struct http_chunks){ .left = 0 };
	while (at < bytes.len && chunks->state != HTTP_CHUNK_END) {
		end = piece < bytes.len - at ? at + piece : bytes.len;
		while (at < end && chunks->state != HTTP_CHUNK_END) {
			if (chunks->state == HTTP_CHUNK_DATA) {
				n = chunks->left < end - at ? (int64_t)chunks->left :
				    (int64_t)(end - at);
				must(!buf_append(body, bytes.data + at, (size_t)n));
				http_chunks_take(chunks, (uint64_t)n);
			} else {
				n = http_chunks_read(chunks, (struct str){ bytes.data + at,
				    end - at });
				if (n < 0)
					return -1;
			}
			must(n > 0);
			at += (size_t)n;
		}
	}
	return (int64_t)at;
}

static void check_head(const struct http_head *head, struct str bytes)
{
	const struct http_request *request = &head->request;
	size_t hosts;

	must(head->at <= bytes.len && head->at <= HEAD_MAX && head->at >= 4);
	must(request->path.len > 0 && (request->path.data[0] == '/' || str_is(request->path, "*")));
	must(!memchr(request->path.data, '?', request->path.len) && !str_has_nul(request->path));
	must(request->fields_len <= HTTP_FIELDS_MAX);
	must(head->http_1_0 || request->host.len > 0);
	http_field(request, "host", &hosts);
	must(hosts <= 1 && (head->http_1_0 || hosts == 1));
	must(!(head->chunked && request->has_length));
	must(request->has_body == (head->chunked || request->length > 0));
	for (size_t i = 0; i < request->fields_len; i++) {
		struct str value = request->fields[i].value;

		must(request->fields[i].name.len > 0);
		must(value.len == 0 || (!memchr(value.data, '\r', value.len) && !memchr(value.data,
		    '\n', value.len) &&
		                        !str_has_nul(value) && value.data[0] != ' ' &&
		                        value.data[value.len - 1] != ' '));
	}
}

static void try_head(struct str bytes, size_t piece)
{
	struct http_head whole, parts;
	char *memory, *other;
	enum http_head_state state = read_head(&whole, &memory, bytes, SIZE_MAX);
	struct buf decoded;

	must(read_head(&parts, &other, bytes, piece) == state);
	must(whole.status == parts.status && whole.at == parts.at && whole.reason == parts.reason);
	must((state == HTTP_HEAD_BAD) == (whole.status >= 400));
	if (state == HTTP_HEAD_WHOLE) {
		check_head(&whole, bytes);
		must(str_eq(whole.request.path, parts.request.path) && str_eq(whole.request.host,
		    parts.request.host));
		must(whole.request.fields_len == parts.request.fields_len &&
		    whole.close == parts.close);
		buf_init(&decoded, HEAD_MAX);
		must(!http_decode(&decoded, whole.request.path) && !http_decode(&decoded,
		    whole.request.query));
		buf_free(&decoded);
	}
	free(memory);
	free(other);
}

static void try_chunks(struct str bytes, size_t piece)
{
	struct http_chunks whole, parts;
	struct buf body, other;
	int64_t n;

	buf_init(&body, bytes.len + 1);
	buf_init(&other, bytes.len + 1);
	n = read_chunks(&whole, &body, bytes, SIZE_MAX);
	must(read_chunks(&parts, &other, bytes, piece) == n);
	must(whole.state == parts.state && whole.status == parts.status && str_eq(buf_str(&body),
	    buf_str(&other)));
	must(n >= 0 || whole.status >= 400);
	buf_free(&body);
	buf_free(&other);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes;
	size_t piece;

	if (size < 2 || size > 65536)
		return 0;
	piece = (size_t)(data[0] & 0x7f) + 1;
	bytes = (struct str){ (const char *)data + 1, size - 1 };
	if (data[0] & 0x80)
		try_chunks(bytes, piece);
	else
		try_head(bytes, piece);
	return 0;
}

#include "replay.h"
