"""Binary HTTP (RFC 9292): requests written, responses read."""

KNOWN_LENGTH_REQUEST, KNOWN_LENGTH_RESPONSE = 0, 1
INDETERMINATE_REQUEST, INDETERMINATE_RESPONSE = 2, 3


def varint(number):
    """A variable-length integer (RFC 9000 section 16)."""
    for exponent, limit in enumerate((1 << 6, 1 << 14, 1 << 30, 1 << 62)):
        if number < limit:
            size = 1 << exponent
            return (number | exponent << (8 * size - 2)).to_bytes(size, "big")
    raise ValueError(f"{number} is too large for a variable-length integer")


def prefixed(value):
    return varint(len(value)) + value


def field_lines(fields):
    return b"".join(
        prefixed(name.encode("ascii")) + prefixed(value.encode("latin-1")) for name, value in fields
    )


def write_request(request, indeterminate=False, padded_to=0):
    """The request as bytes, with zeros behind it up to the size `padded_to`."""
    message = varint(INDETERMINATE_REQUEST if indeterminate else KNOWN_LENGTH_REQUEST)
    for part in ("method", "scheme", "authority", "path"):
        message += prefixed(request[part].encode("ascii"))
    lines, content = field_lines(request["fields"]), bytes.fromhex(request["content"])
    if indeterminate:
        message += lines + varint(0)
        middle = len(content) // 2
        for chunk in (content[:middle], content[middle:]):
            message += prefixed(chunk) if chunk else b""
        message += varint(0) + varint(0)
    else:
        message += prefixed(lines) + prefixed(content) + prefixed(b"")
    if padded_to and len(message) > padded_to:
        raise ValueError(f"a request of {len(message)} bytes does not fit into {padded_to}")
    return message.ljust(padded_to, b"\0")


class Reader:
    """Bytes that are read from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def is_at_end(self):
        return self.at == len(self.data)

    def take(self, count):
        taken = self.data[self.at : self.at + count]
        if len(taken) != count:
            raise ValueError(f"{count} bytes are announced at {self.at}, and {len(taken)} are left")
        self.at += count
        return taken

    def varint(self):
        first = self.take(1)[0]
        rest = self.take((1 << (first >> 6)) - 1)
        return int.from_bytes(bytes([first & 0x3F]) + rest, "big")

    def prefixed(self):
        return self.take(self.varint())

    def field_line(self, name):
        return name.decode("ascii"), self.prefixed().decode("latin-1")

    def known_length_fields(self):
        section, fields = Reader(self.prefixed()), []
        while not section.is_at_end():
            fields.append(section.field_line(section.prefixed()))
        return fields

    def indeterminate_fields(self):
        fields = []
        while name := self.prefixed():
            fields.append(self.field_line(name))
        return fields

    def chunks(self):
        content = b""
        while chunk := self.prefixed():
            content += chunk
        return content


def read_response(message):
    """Status, fields and content of the final response. Padding must be zero."""
    reader = Reader(message)
    framing = reader.varint()
    if framing == KNOWN_LENGTH_RESPONSE:
        read_fields, read_content = reader.known_length_fields, reader.prefixed
    elif framing == INDETERMINATE_RESPONSE:
        read_fields, read_content = reader.indeterminate_fields, reader.chunks
    else:
        raise ValueError(f"the framing {framing} is not that of a response")
    while (status := reader.varint()) < 200:
        read_fields()
    # What is empty at the end may be left out (RFC 9292 section 3.8).
    fields = [] if reader.is_at_end() else read_fields()
    content = b"" if reader.is_at_end() else read_content()
    trailers = [] if reader.is_at_end() else read_fields()
    if any(reader.take(len(message) - reader.at)):
        raise ValueError("the padding is not zero")
    if trailers:
        raise ValueError("the response has trailers")
    return {"status": status, "fields": fields, "content": content.hex()}
