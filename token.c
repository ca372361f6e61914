/* token.c - digests and compares bearer tokens. Reads the descriptor it is given, knows nothing of HTTP. */
#include "token.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const uint32_t round_constants[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t
rotate(uint32_t x, unsigned n)
{
	return x >> n | x << (32 - n);
}

static void
digest_block(uint32_t state[8], const uint8_t block[64])
{
	uint32_t w[64], v[8];

	for (size_t i = 0; i < 16; i++)
		w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 |
		    (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
	for (size_t i = 16; i < 64; i++)
		w[i] = (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10) + w[i - 7] +
		    (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) + w[i - 16];
	memcpy(v, state, sizeof(v));
	for (size_t i = 0; i < 64; i++) {
		uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
		    ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + w[i];
		uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
		    ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (size_t i = 0; i < 8; i++)
		state[i] += v[i];
}

void
token_digest(struct str token, uint8_t digest[DIGEST_LEN])
{
	uint32_t state[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};
	uint8_t block[64];
	size_t at = 0;

	for (; token.len - at >= 64; at += 64)
		digest_block(state, (const uint8_t *)token.data + at);
	size_t rest = token.len - at;
	memset(block, 0, sizeof(block));
	if (rest)
		memcpy(block, token.data + at, rest);
	block[rest] = 0x80;
	if (rest >= 56) {
		digest_block(state, block);
		memset(block, 0, sizeof(block));
	}
	for (size_t i = 0; i < 8; i++)
		block[63 - i] = (uint8_t)((uint64_t)token.len * 8 >> 8 * i);
	digest_block(state, block);
	for (size_t i = 0; i < DIGEST_LEN; i++)
		digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
	explicit_bzero(block, sizeof(block));
}

/* strchr would take NUL for one. */
static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

int
token_add(struct message_tokens *tokens, struct str token)
{
	while (token.len && is_space(token.data[token.len - 1]))
		token.len--;
	while (token.len && is_space(token.data[0])) {
		token.data++;
		token.len--;
	}
	if (!token.len || token.len > TOKEN_MAX)
		return -EINVAL;
	for (size_t i = 0; i < token.len; i++)
		if (token.data[i] <= ' ' || token.data[i] > '~')
			return -EINVAL;
	if (tokens->len >= TOKENS_MAX)
		return -ENOSPC;
	token_digest(token, tokens->digests[tokens->len++]);
	return 0;
}

static int
add_lines(struct message_tokens *tokens, struct str text)
{
	while (text.len) {
		const char *end = memchr(text.data, '\n', text.len);
		struct str line = { text.data, end ? (size_t)(end - text.data) : text.len };
		size_t step = line.len + (end != NULL);
		size_t lead = 0;
		while (lead < line.len && is_space(line.data[lead]))
			lead++;
		if (lead < line.len && line.data[lead] != '#') {
			int error = token_add(tokens, line);
			if (error)
				return error;
		}
		text.data += step;
		text.len -= step;
	}
	return 0;
}

int
token_read(int fd, struct message_tokens *tokens)
{
	static const size_t most = TOKEN_FILE_MAX;
	struct buf text;
	int error = 0;

	buf_init(&text, most);
	if (buf_reserve(&text, most))
		return -ENOMEM;
	for (;;) {
		ssize_t n = text.len == most ? 0 : read(fd, text.data + text.len, most - text.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			error = -errno;
		if (n <= 0)
			break;
		text.len += (size_t)n;
	}
	if (!error && text.len == most)
		error = -EFBIG;
	if (!error)
		error = add_lines(tokens, buf_str(&text));
	if (!error && !tokens->len)
		error = -EINVAL;
	explicit_bzero(text.data, text.len);
	buf_free(&text);
	return error;
}

bool
token_known(const struct message_tokens *tokens, struct str presented)
{
	uint8_t digest[DIGEST_LEN];
	unsigned found = 0;

	token_digest(presented, digest);
	for (uint32_t i = 0; i < tokens->len && i < TOKENS_MAX; i++) {
		unsigned differ = 0;
		for (size_t j = 0; j < DIGEST_LEN; j++)
			differ |= (unsigned)(tokens->digests[i][j] ^ digest[j]);
		found |= differ == 0;
	}
	explicit_bzero(digest, sizeof(digest));
	return found;
}
