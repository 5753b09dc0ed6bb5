#!/usr/bin/env python3
"""Writes the ELF file that a Linux bzImage holds: unpack-kernel.py BZIMAGE ELF

The fields are those of Documentation/arch/x86/boot.rst: setup_sects, payload_offset, payload_length.
A kernel that is packed in a way that Python cannot unpack is copied as it is: every loader takes that as well, only slower.
"""

import gzip
import lzma
import struct
import sys

with open(sys.argv[1], "rb") as file:
    image = file.read()
setup_sectors = image[0x1F1] or 4
offset, length = struct.unpack_from("<II", image, 0x248)
start = (setup_sectors + 1) * 512 + offset
payload = image[start : start + length]
if payload.startswith(b"\xfd7zXZ"):
    image = lzma.LZMADecompressor().decompress(payload)
elif payload.startswith(b"\x1f\x8b"):
    image = gzip.decompress(payload[:-4])
with open(sys.argv[2], "wb") as file:
    file.write(image)
