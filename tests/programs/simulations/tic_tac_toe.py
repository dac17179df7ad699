# /// program
# about = "Tic-tac-toe with minimax: a perfect game is a draw; counts all games."
# value = "255168"
# stdout = '''
# X X O
# O O X
# X O X
# winner: None
# (0, 1) True
# '''
# ///
from functools import cache

LINES = [(0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6)]


def winner(board):
    for a, b, c in LINES:
        if board[a] != "." and board[a] == board[b] == board[c]:
            return board[a]
    return None


def play(board, at, player):
    return board[:at] + player + board[at + 1 :]


@cache
def best(board, player):
    if won := winner(board):
        return (1 if won == "X" else -1), None
    moves = [i for i, c in enumerate(board) if c == "."]
    if not moves:
        return 0, None
    other = "O" if player == "X" else "X"
    scored = [(best(play(board, m, player), other)[0], m) for m in moves]
    return max(scored, key=lambda s: s[0]) if player == "X" else min(scored, key=lambda s: s[0])


@cache
def count_games(board, player):
    if winner(board) or "." not in board:
        return 1
    other = "O" if player == "X" else "X"
    return sum(count_games(play(board, i, player), other) for i, c in enumerate(board) if c == ".")


board, player = "." * 9, "X"
while not winner(board) and "." in board:
    board = play(board, best(board, player)[1], player)
    player = "O" if player == "X" else "X"
for row in range(3):
    print(" ".join(board[row * 3 : row * 3 + 3]))
print("winner:", winner(board))
print(best("X.X.O....", "O"), best.cache_info().currsize > 4000)
count_games("." * 9, "X")
