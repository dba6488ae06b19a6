package main

import "hash/crc32"

// checksum is the CRC-32 that a zip file keeps of a member.
func checksum(content string) uint32 { return crc32.ChecksumIEEE([]byte(content)) }
