# The peer's side of pairing by Just Works (legacy pairing, Core specification volume 3, part H, 2.2 and 3.5).
# The kernel checks our confirm value; our encryption is a pretence of the scripted controller, so no session key is made.
import os
import socket

REQUEST, RESPONSE, CONFIRM, RANDOM, KEY, IDENTIFICATION = 0x01, 0x02, 0x03, 0x04, 0x06, 0x07
NO_INPUT_NO_OUTPUT, BONDING, KEY_SIZE, NO_KEYS, ENCRYPTION_KEY = 0x03, 0x01, 16, 0x00, 0x01
PUBLIC, RANDOM_ADDRESS = 0, 1
JUST_WORKS_KEY = bytes(16)


def encrypt(key, block):
    """AES-128 of one block by the kernel; SMP writes both the other way round."""
    with socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET) as algorithm:
        algorithm.bind(("skcipher", "ecb(aes)"))
        algorithm.setsockopt(socket.SOL_ALG, socket.ALG_SET_KEY, key[::-1])
        operation, _ = algorithm.accept()
        with operation:
            operation.sendmsg_afalg([block[::-1]], op=socket.ALG_OP_ENCRYPT)
            return operation.recv(16)[::-1]


def exclusive_or(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


class Pairing:
    """One pairing over one link; every step answers with the packets to send."""

    def __init__(self, host_address, own_address):
        self.host_address, self.own_address = host_address, own_address
        self.random = os.urandom(16)
        self.request = b""
        self.response = bytes([RESPONSE, NO_INPUT_NO_OUTPUT, 0, BONDING, KEY_SIZE, NO_KEYS, ENCRYPTION_KEY])

    def answer(self, packet):
        if packet[0] == REQUEST:
            self.request = bytes(packet[:7])
            return [self.response]
        if packet[0] == CONFIRM:
            return [bytes([CONFIRM]) + self.confirm_value()]
        if packet[0] == RANDOM:
            return [bytes([RANDOM]) + self.random]
        return []

    def confirm_value(self):  # c1
        first = bytes([PUBLIC, RANDOM_ADDRESS]) + self.request + self.response
        second = self.own_address + self.host_address + bytes(4)
        inner = encrypt(JUST_WORKS_KEY, exclusive_or(self.random, first))
        return encrypt(JUST_WORKS_KEY, exclusive_or(inner, second))

    def keys(self):
        return [bytes([KEY]) + os.urandom(16), bytes([IDENTIFICATION]) + os.urandom(10)]
