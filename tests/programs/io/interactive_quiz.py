# /// program
# about = "Asks questions with input() and reads the answers from standard input."
# stdin = '''
# Ann
# 4
# abc
# 9
# paris
# '''
# value = "3"
# stdout = "name? 2+2? 3*3? please type a number\n3*3? capital of France? \nAnn: 3/3\nno more input: EOF when reading a line\n"
# ///
def ask_number(prompt):
    while True:
        try:
            return int(input(prompt))
        except ValueError:
            print("please type a number")


name = input("name? ")
score = 0
if ask_number("2+2? ") == 4:
    score += 1
if ask_number("3*3? ") == 9:
    score += 1
if input("capital of France? ").strip().casefold() == "paris":
    score += 1
print(f"\n{name}: {score}/3")
try:
    input()
except EOFError as error:
    print("no more input:", error)
score
